package web

import "net/http"

// policy is the Content-Security-Policy of every page: nothing from elsewhere, no inline script or style, no eval.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxFormBytes bounds what a form may send. The largest of ours has the guides of
// an API, 192 KiB of text, in which every other letter may be written as three.
const maxFormBytes = 512 << 10

// Values that every answer shares.
var noSniff, sameOrigin = []string{"nosniff"}, []string{"same-origin"}

// pageHeaders are for pages: they show what belongs to one person and are kept nowhere.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Vary", "Cookie, Accept-Language")
}
