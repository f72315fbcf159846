package ingesttest

import (
	"io"
	"reflect"
	"testing"

	"concierge/connectors"
	"concierge/portal/document"
)

func TestTheEstateIsAsLargeAsItSays(t *testing.T) {
	size := Size{Gateways: 24, Deployments: 2000, APIs: 500}
	e, again := New(size), New(size)
	if !reflect.DeepEqual(e.APIs, again.APIs) {
		t.Error("another estate each time")
	}
	number, bare, titles := 0, 0, map[string]bool{}
	for _, g := range e.Registrations {
		c, err := e.Kinds()[Kind].Open(connectors.Config{Address: g.Address})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Discover(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		number += len(s.Deployments)
		for _, d := range s.Deployments {
			if d.Document.ID == "" {
				bare++
			}
		}
		d := s.Deployments[0]
		if d.Document.ID == "" {
			continue
		}
		body, err := c.OpenDocument(t.Context(), d.Document)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if described, err := document.Describe(content, document.Limits{}); err != nil || described.Title != d.Title || len(described.Operations) < 8 {
			t.Errorf("%s: %v %+v", d.RemoteID, err, described)
		}
	}
	for _, a := range e.APIs {
		titles[string(a.Division)+a.Title] = true
	}
	if number != size.Deployments || bare < number/20 || bare > number/5 || len(titles) != size.APIs {
		t.Errorf("%d deployments, %d without document, %d titles", number, bare, len(titles))
	}
}

func TestATouchedDeploymentHasAnotherRevision(t *testing.T) {
	e := New(Size{Gateways: 1, Deployments: 20, APIs: 20})
	before := e.Deployments("gateway-000")
	e.Touch("gateway-000", 3)
	changed := 0
	for i, d := range e.Deployments("gateway-000") {
		if !reflect.DeepEqual(d, before[i]) {
			changed++
		}
	}
	if changed > 1 {
		t.Errorf("%d deployments changed", changed)
	}
}
