package ingest

import (
	"errors"

	"concierge/portal"
	"concierge/portal/catalog"
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
	case f.Document == "":
		unread := f.Described.Unread
		f.Described, f.Document = up.Described, up.Hash
		f.Described.Unread = unread
	}
	return f
}

// mayStandIn says why owners cannot give a deployment a document; nil where they can.
func mayStandIn(r catalog.Record) error {
	if up := r.Override.Document; up != nil && !up.Owners {
		return administrators(&r)
	}
	if r.Deployment.Document != "" && !r.Described.StandIn {
		return &portal.ConflictError{Kind: "deployment", ID: string(r.Deployment.ID), Err: errors.New("its gateway has a document of its own; change it there")}
	}
	return nil
}

// administrators answers owners who would change what an administrator decided.
func administrators(r *catalog.Record) error {
	return &portal.ConflictError{Kind: "deployment", ID: string(r.Deployment.ID), Err: errors.New("an administrator of its gateway uploaded its document; ask them to change it")}
}
