package frontend

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandlerServesExactlyWhatURLNames(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		status int
	}{
		"style sheet":  {URL("app.css"), 200},
		"script":       {URL("app.js"), 200},
		"icon":         {URL("favicon.svg"), 200},
		"other hash":   {Prefix + "000000000000/app.css", 404},
		"no hash":      {Prefix + "app.css", 404},
		"the folder":   {Prefix, 404},
		"outside":      {Prefix + "x/../../assets.go", 404},
		"deeper":       {strings.Replace(URL("app.css"), "/assets/", "/assets/x/", 1), 404},
		"unknown file": {Prefix + "000000000000/none.css", 404},
	} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			Handler().ServeHTTP(rec, httptest.NewRequest("GET", tc.path, nil))
			if rec.Code != tc.status {
				t.Fatalf("GET %s: %d, want %d", tc.path, rec.Code, tc.status)
			}
			cached := strings.Contains(rec.Header().Get("Cache-Control"), "immutable")
			if cached != (tc.status == 200) {
				t.Errorf("GET %s: Cache-Control %q", tc.path, rec.Header().Get("Cache-Control"))
			}
		})
	}
}

func TestHandlerRevalidates(t *testing.T) {
	req := httptest.NewRequest("GET", URL("app.js"), nil)
	first := httptest.NewRecorder()
	Handler().ServeHTTP(first, req)
	req.Header.Set("If-None-Match", first.Header().Get("ETag"))
	again := httptest.NewRecorder()
	Handler().ServeHTTP(again, req)
	if again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("status %d with %d bytes, want 304 and none", again.Code, again.Body.Len())
	}
}

func TestURLPanicsForAFileThatIsNotThere(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	URL("missing.css")
}
