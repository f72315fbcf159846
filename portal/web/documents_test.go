package web_test

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"concierge/portal/web/webtest"
)

// upload sends a file as the form does.
func (b *browser) upload(path, field string, content []byte) *httptest.ResponseRecorder {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, "orders.yaml")
	if err == nil {
		_, err = part.Write(content)
	}
	if err != nil || form.Close() != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest("POST", path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return b.do(r)
}

// TestUploadDocument: an administrator uploads a file larger than any form, downloads what is in use, and removes it.
func TestUploadDocument(t *testing.T) {
	const path = "/deployments/dep_tariffs/document"
	b := as(t, site(t), webtest.Administrator)
	if res := b.upload(path, "other", []byte("openapi: 3.0.0")); res.Code != 422 || !strings.Contains(res.Body.String(), "It is empty.") {
		t.Errorf("without a file: %d", res.Code)
	}
	if res := b.upload(path, "document", make([]byte, 21<<20)); res.Code != 413 {
		t.Errorf("too large: %d", res.Code)
	}
	if res := b.upload(path, "document", []byte(strings.Repeat("openapi: 3.0.0\n", 100_000))); res.Code != 303 || res.Header().Get("Location") != path {
		t.Fatalf("uploaded: %d %s", res.Code, res.Header().Get("Location"))
	}
	if res := b.get(path); !strings.Contains(res.Body.String(), "An uploaded document is in use") || !strings.Contains(res.Body.String(), "The document is in use.") {
		t.Error("the page does not say that it is in use")
	}
	res := b.get(path + "/content")
	if got := res.Header().Get("Content-Disposition"); res.Code != 200 || got != `attachment; filename="deptariffs.yaml"` || res.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("download: %d %s", res.Code, got)
	}
	if res := b.post(path+"/remove", nil); res.Code != 303 {
		t.Errorf("removed: %d", res.Code)
	}
	if res := b.get(path); strings.Contains(res.Body.String(), "An uploaded document is in use") {
		t.Error("the page says that it is in use still")
	}
	other := as(t, site(t), webtest.Partner)
	for _, res := range []*httptest.ResponseRecorder{other.upload(path, "document", []byte("x")), other.get(path + "/content"), other.post(path+"/remove", nil)} {
		if res.Code != 404 {
			t.Errorf("a partner is answered %d", res.Code)
		}
	}
}
