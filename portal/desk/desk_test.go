package desk

import (
	"encoding/base64"
	"errors"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/keys"
	"concierge/portal/seal"
)

func asCaller(t *testing.T, c access.Caller) *desk {
	t.Helper()
	box, _, err := seal.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{New(Parts{Sealer: box}), c}
}

// as is the same desk for another caller.
func (d *desk) as(c access.Caller) *desk { return &desk{d.Service, c} }

func TestCursors(t *testing.T) {
	petra := access.Caller{Person: "per_petra", Organisation: "org_brightmart"}
	d := asCaller(t, petra)
	rapid.Check(t, func(rt *rapid.T) {
		place := rapid.StringN(1, 40, -1).Draw(rt, "place")
		cursor, err := sealCursor(d, "apis", place)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := openCursor[string](d, "apis", cursor); err != nil || got != place {
			rt.Fatalf("got %q, %v", got, err)
		}
		if again, _ := sealCursor(d, "apis", place); again == cursor {
			rt.Fatal("two cursors of one place are alike: they can be compared")
		}
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			rt.Fatal(err)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(rt, "byte")] ^= 1
		for name, try := range map[string]struct {
			d            *desk
			list, cursor string
		}{
			"another list":                    {d, "people", cursor},
			"another person":                  {d.as(access.Caller{Person: "per_rival", Organisation: petra.Organisation}), "apis", cursor},
			"another organisation":            {d.as(access.Caller{Person: petra.Person, Organisation: "org_rival"}), "apis", cursor},
			"one byte changed":                {d, "apis", base64.RawURLEncoding.EncodeToString(b)},
			"the place in clear":              {d, "apis", base64.RawURLEncoding.EncodeToString([]byte(place))},
			"rubbish":                         {d, "apis", "%"},
			"names that run into one another": {d.as(access.Caller{Person: "per_petra org_brightmart"}), "apis", cursor},
		} {
			if got, err := openCursor[string](try.d, try.list, try.cursor); !errors.Is(err, portal.ErrInvalid) || got != "" {
				rt.Fatalf("%s: got %q, %v", name, got, err)
			}
		}
	})
	if cursor, err := sealCursor(d, "apis", ""); cursor != "" || err != nil {
		t.Errorf("the end of a list has the cursor %q, %v", cursor, err)
	}
	if place, err := openCursor[string](d, "apis", ""); place != "" || err != nil {
		t.Errorf("no cursor is the place %q, %v", place, err)
	}
}

func TestLimit(t *testing.T) {
	for asked, want := range map[int]int{-1: 50, 0: 50, 1: 1, 200: 200, 201: 200} {
		if got := limit(asked); got != want {
			t.Errorf("limit(%d) = %d, want %d", asked, got, want)
		}
	}
}

// The callers that differ in what they may learn of a deployment of the division freight.
var (
	partner  = access.Caller{Person: "p", Organisation: "o", Audience: portal.Partner, Division: "freight", Roles: []access.Role{access.OrganisationAdmin, access.DivisionAdministrator}}
	engineer = access.Caller{Person: "e", Organisation: "i", Audience: portal.Internal, Division: "freight", Roles: []access.Role{access.Developer}}
	owner    = access.Caller{Person: "w", Organisation: "i", Audience: portal.Internal, Division: "freight", Roles: []access.Role{access.APIOwner}}
	stranger = access.Caller{Person: "s", Organisation: "j", Audience: portal.Internal, Division: "parcel", Roles: []access.Role{access.DivisionAdministrator}}
	chief    = access.Caller{Person: "c", Organisation: "k", Audience: portal.Internal, Roles: []access.Role{access.PlatformAdministrator}}
)

// TestWhyKeysAreRefused: the gateway's reason names other APIs, so it is for those who govern this one.
func TestWhyKeysAreRefused(t *testing.T) {
	const reason = "a key would also open Crew Rostering"
	to := &portal.Deployment{IssueRefused: reason, Placement: portal.Placement{portal.AxisDivision: {Value: "freight"}}}
	for name, tc := range map[string]struct {
		caller access.Caller
		told   bool
	}{
		"partner with a role that does not count": {partner, false}, "developer": {engineer, false}, "another division": {stranger, false},
		"owner": {owner, true}, "platform administrator": {chief, true},
	} {
		d := asCaller(t, tc.caller)
		switch got := d.refused(to); {
		case got == "":
			t.Errorf("%s is not told that keys are refused", name)
		case (got == reason) != tc.told:
			t.Errorf("%s reads %q", name, got)
		}
		if got := d.refused(&portal.Deployment{}); got != "" {
			t.Errorf("%s reads %q where keys can be had", name, got)
		}
	}
}

// TestDecider: who decided is for the company's own people.
func TestDecider(t *testing.T) {
	names := who{people: map[portal.PersonID]string{"c": "Ada Lindt"}}
	for name, tc := range map[string]struct {
		caller access.Caller
		by     string
		want   string
	}{
		"internal": {engineer, "c", "Ada Lindt"}, "administrator": {chief, "c", "Ada Lindt"}, "partner": {partner, "c", ""},
		"nobody had to": {engineer, "system:automatic", ""}, "not yet": {engineer, "", ""},
	} {
		if got := asCaller(t, tc.caller).decider(names, keys.Subscription{DecidedBy: tc.by}); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestHost(t *testing.T) {
	for address, want := range map[string]string{
		"https://apis.example.com/v1": "apis.example.com", "http://127.0.0.1:8001": "127.0.0.1:8001", "": "", "no address": "", "http://[::1": "",
	} {
		if got := host(address); got != want {
			t.Errorf("host(%q) = %q, want %q", address, got, want)
		}
	}
}
