package desk

import (
	"testing"

	"concierge/portal/api"
	"concierge/portal/document"
)

// The desktop knows a document's content type only, and names the file as the portal does.
func TestEndings(t *testing.T) {
	for _, f := range []document.Format{document.JSON, document.YAML, document.SDL, document.Proto, document.Descriptors, document.XML} {
		contentType, want := f.Media()
		if got := (api.Document{ContentType: contentType}).Ending(); got != want {
			t.Errorf("%s: .%s, want .%s", contentType, got, want)
		}
	}
}
