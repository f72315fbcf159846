package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"concierge/portal"
)

// FuzzExport: whatever an export holds, it is an outcome in which every deployment is in one entry, or a problem that says which
// line is wrong.
func FuzzExport(f *testing.F) {
	f.Add([]byte(`{"gateway":"a","id":"1","title":"Payments","version":"1.0","base_url":"https://a.example/v1","routes":[{"method":"GET","path":"/payments/{id}"}]}` + "\n\n" + `{"gateway":"b","id":"1"}`))
	f.Add([]byte("\ufeff" + `{"gateway":"a","id":"1","document":"none.json"}` + "\r\n{"))
	f.Add([]byte(`[1,2]` + "\n" + `{"gateway":1}` + "\n" + `{"gateway":"a","id":"1"}` + "\n" + `{"gateway":"a","id":"1"}`))
	f.Add([]byte(`{"gateway":"a","id":"1","base_url":"://%zz","upstream":"[::1","routes":[{"path":"~^/(?<x>[#?])$"},{}],"document":"../x"}`))
	f.Fuzz(func(t *testing.T, export []byte) {
		tr, err := newTrial(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer tr.documents.Close()
		err = tr.read(t.Context(), bytes.NewReader(export))
		tr.warn(io.Discard)
		if err != nil {
			if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "line") {
				t.Fatalf("%v", err)
			}
			return
		}
		o, err := tr.outcome()
		if err != nil {
			t.Fatal(err)
		}
		placed, slugs := 0, map[string]bool{}
		for _, e := range o.entries {
			if e.Slug == "" || slugs[e.Slug] {
				t.Errorf("an entry without a name of its own: %+v", e)
			}
			slugs[e.Slug] = true
			for _, v := range e.Versions {
				placed += len(v.Deployments)
			}
		}
		if placed != len(tr.members) {
			t.Errorf("%d of %d deployments are in an entry", placed, len(tr.members))
		}
		if err := errors.Join(o.writeJSON(io.Discard), o.writeText(io.Discard)); err != nil {
			t.Error(err)
		}
	})
}
