package ingest

import (
	"maps"
	"strings"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// forReading keeps of what a document says only what people read. Whatever decides where a deployment is, what it is joined
// to, which version it is or how it is told apart is left out.
func forReading(d catalog.Described) catalog.Described {
	return catalog.Described{Summary: d.Summary, Description: d.Description, Kind: d.Kind, Try: d.Try, Shape: shape(nil), StandIn: true}
}

// own leaves what the gateway's own document said, if it had one, and why it could not be read.
func (f Found) own() Found {
	if f.Described.StandIn {
		f.Described, f.Document = catalog.Described{Unread: f.Described.Unread}, ""
	}
	return f
}

// given lays an uploaded document over what was found. That of an administrator takes the place of the gateway's; that of
// owners stands in where there is none, and why the gateway's could not be read goes on to count: it might have said who may
// see the deployment.
func (f Found) given(up *catalog.Uploaded) Found {
	f = f.own()
	switch {
	case up == nil:
	case !up.Owners:
		f.Described, f.Document, f.Revision = up.Described, up.Hash, ""
		f.Described.Words = withKept(up)
	case f.Document == "":
		unread := f.Described.Unread
		f.Described, f.Document = up.Described, up.Hash
		f.Described.Unread = unread
	}
	return f
}

// keptWords are what a gateway's own document says of who may see a deployment, or said before an upload took its place.
func keptWords(r *catalog.Record) map[string]string {
	if up := r.Override.Document; up != nil && !up.Owners {
		return up.Kept
	}
	kept := map[string]string{}
	for _, axis := range failClosed {
		if said := r.Described.Words[string(axis)]; said != "" {
			kept[string(axis)] = said
		}
	}
	return kept
}

// withKept are the words of an uploaded document, and those that it keeps.
func withKept(up *catalog.Uploaded) map[string]string {
	words := up.Described.Words
	for axis, said := range up.Kept {
		if strings.TrimSpace(words[axis]) != "" {
			continue
		}
		words = maps.Clone(words)
		if words == nil {
			words = map[string]string{}
		}
		words[axis] = said
	}
	return words
}

// mayStandIn says why owners cannot give a deployment a document; nil where they can.
func mayStandIn(r catalog.Record) error {
	if up := r.Override.Document; up != nil && !up.Owners {
		return administrators(&r)
	}
	read := r.Deployment.Document != "" || len(r.Described.Words) > 0 // its words hold until it is read again: see RemoveUpload
	if read && !r.Described.StandIn {
		return &portal.ConflictError{Kind: "deployment", ID: string(r.Deployment.ID), Err: told.OwnDocument.With()}
	}
	return nil
}

// administrators answers owners who would change what an administrator decided.
func administrators(r *catalog.Record) error {
	return &portal.ConflictError{Kind: "deployment", ID: string(r.Deployment.ID), Err: told.AdministratorsDocument.With()}
}
