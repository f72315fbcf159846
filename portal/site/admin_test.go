package site_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/site"
)

func (w *world) enrolment(at portal.Site) (site.Enrolment, portal.Secret) {
	w.t.Helper()
	e, token, err := w.service.CreateEnrolment(w.t.Context(), "per_root", at)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return e, token
}

func (w *world) joinWith(token portal.Secret, at portal.Site, path string) (site.Identity, error) {
	return site.Join(w.t.Context(), w.portal, at, path, token, "host", "1.0")
}

// audited lists the actions about a target, oldest first.
func (w *world) audited(target string) (actions []string) {
	w.t.Helper()
	err := w.db.View(w.t.Context(), func(tx site.Tx) error {
		events, err := tx.Audit().Events(w.t.Context(), target, 100)
		for _, e := range slices.Backward(events) {
			actions = append(actions, e.Action)
		}
		return err
	})
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return actions
}

func (w *world) site(name portal.Site) site.Site {
	w.t.Helper()
	s, err := w.service.Site(w.t.Context(), name)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return s
}

func TestEnrolmentServesOnce(t *testing.T) {
	w := newWorld(t)
	e, token := w.enrolment(plant)
	path := filepath.Join(t.TempDir(), "data", "worker.json")
	id, err := w.joinWith(token, plant, path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity: %v, %v", info.Mode(), err)
	}
	if again, err := w.joinWith(portal.Secret{}, plant, path); err != nil || again.Worker != id.Worker {
		t.Errorf("known by its file: %+v, %v", again, err)
	}

	// The answer was lost, or the worker died before it had written it down.
	var kept map[string]string
	content, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(content, &kept) != nil {
		t.Fatalf("%v: %s", err, content)
	}
	kept["worker"] = ""
	if content, err = json.Marshal(kept); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := w.joinWith(token, plant, path); err != nil || again.Worker != id.Worker {
		t.Errorf("the same worker comes again: %+v, %v", again, err)
	}
	if s := w.site(plant); len(s.Workers) != 1 || !s.Workers[0].Reused.IsZero() || len(s.Enrolments) != 0 {
		t.Errorf("after one worker: %+v", s)
	}

	// Somebody else has the token too.
	for range 3 {
		if _, err := w.joinWith(token, plant, filepath.Join(t.TempDir(), "worker.json")); !errors.Is(err, portal.ErrDenied) {
			t.Errorf("a second worker: %v", err)
		}
	}
	if s := w.site(plant); len(s.Workers) != 1 || s.Workers[0].Reused.IsZero() {
		t.Errorf("nobody sees it: %+v", s)
	}
	if told := w.audited(e.ID); !slices.Equal(told, []string{"site.enrolment.create", "site.enrolment.reuse"}) {
		t.Errorf("the audit says %v", told)
	}
	if told := w.audited(id.Worker); !slices.Equal(told, []string{"site.worker.enrol"}) {
		t.Errorf("the audit says %v", told)
	}
	if strings.Contains(w.log.String(), token.Reveal()) {
		t.Error("the token is in the log")
	}
}

func TestEnrolmentsThatDoNotServe(t *testing.T) {
	w := newWorld(t)
	revoked, revokedToken := w.enrolment(plant)
	if err := w.service.RevokeEnrolment(t.Context(), "per_root", revoked.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.service.RevokeEnrolment(t.Context(), "per_root", revoked.ID); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("revoked twice: %v", err)
	}
	_, elsewhere := w.enrolment("other")
	_, old := w.enrolment(plant)
	w.clock.advance(24*time.Hour + time.Second)
	for name, token := range map[string]portal.Secret{
		"revoked": revokedToken, "of another site": elsewhere, "expired": old, "made up": portal.NewSecret(portal.NewID("enrol")),
	} {
		if _, err := w.joinWith(token, plant, filepath.Join(t.TempDir(), "worker.json")); !errors.Is(err, portal.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.joinWith(portal.Secret{}, plant, filepath.Join(t.TempDir(), "worker.json")); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "enrolment token") {
		t.Errorf("without a token: %v", err)
	}
	for _, name := range []portal.Site{portal.SiteLocal, "", "No Site", "-x"} {
		if _, _, err := w.service.CreateEnrolment(t.Context(), "per_root", name); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("an enrolment for %q: %v", name, err)
		}
	}
	if err := w.service.RevokeEnrolment(t.Context(), "per_root", "enr_none"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	if all, err := w.service.Sites(t.Context()); err != nil || len(all) != 1 || all[0].Name != portal.SiteLocal {
		t.Errorf("no worker has joined, and there is %+v, %v", all, err)
	}
}

// TestIdentityStaysWithItsPortal: a secret goes to the portal that it is of, and a file that is broken is no identity.
func TestIdentityStaysWithItsPortal(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	path := filepath.Join(t.TempDir(), "worker.json")
	_, token := w.enrolment(plant)
	if _, err := w.joinWith(token, plant, path); err != nil {
		t.Fatal(err)
	}
	if _, err := other.joinWith(token, plant, path); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("at another portal: %v", err)
	}
	if _, err := w.joinWith(token, "other", path); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("at another site: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"secret":"canary-secret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.joinWith(token, plant, path); !errors.Is(err, portal.ErrInvalid) || strings.Contains(err.Error(), "canary") {
		t.Errorf("with a broken file: %v", err)
	}
}

func TestServerAddresses(t *testing.T) {
	for server, ok := range map[string]bool{
		"https://apis.example.com": true, "https://apis.example.com/": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost:1": true,
		"http://apis.example.com": false, "http://10.0.0.1": false, "ftp://apis.example.com": false, "apis.example.com": false, "": false,
		"https://u:p@apis.example.com": false, "https://apis.example.com/portal": false, "https://apis.example.com?x": false,
	} {
		if _, err := site.NewPortal(server, nil, false); (err == nil) != ok || err != nil && !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%q: %v", server, err)
		}
	}
	if _, err := site.NewPortal("http://10.0.0.1", nil, true); err != nil {
		t.Errorf("insecure: %v", err)
	}
	if _, err := site.NewPortal("https://apis.example.com", []byte("nonsense"), false); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("nonsense as certificates: %v", err)
	}
}

func TestRevokedWorker(t *testing.T) {
	w := newWorld(t)
	w.register(plant, "floor")
	r := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil})
	if _, _, err := r.PollOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := w.ask("floor", "crd_1")
	var orders []site.Order
	w.eventually("the call is taken", func() (ok bool) {
		orders, _, _ = r.PollOnce(t.Context())
		return len(orders) == 1
	})
	if _, err := w.service.RevokeWorker(t.Context(), "per_root", r.Identity.Worker); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.RevokeWorker(t.Context(), "per_root", r.Identity.Worker); err != nil {
		t.Errorf("again: %v", err)
	}
	<-a.done // without waiting for the lease
	if !away(t, a.err).Taken {
		t.Errorf("the caller is told that nobody took it: %v", a.err)
	}
	if err := r.AnswerFound(t.Context(), orders[0], foundBy(orders[0], "revoked")); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("its answer: %v", err)
	}
	if _, _, err := r.PollOnce(t.Context()); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("its poll: %v", err)
	}
	if told := w.audited(r.Identity.Worker); !slices.Equal(told, []string{"site.worker.enrol", "site.worker.revoke"}) {
		t.Errorf("the audit says %v", told)
	}

	running := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil})
	ended := make(chan error, 1)
	go func() { ended <- running.Run(t.Context(), patience) }()
	w.served("floor", site.Connected)
	if _, err := w.service.RevokeWorker(t.Context(), "per_root", running.Identity.Worker); err != nil {
		t.Fatal(err)
	}
	w.served("floor", site.Gone)
	if err := <-ended; !errors.Is(err, portal.ErrDenied) {
		t.Errorf("a running one ends with %v", err)
	}
}

// TestSiteAtAGlance: an administrator sees every site that something names, and why a gateway gets no calls.
func TestSiteAtAGlance(t *testing.T) {
	w := newWorld(t)
	w.register(portal.SiteLocal, "here")
	w.register(plant, "floor", "roof")
	w.register("other", "field")
	e, _ := w.enrolment("third")
	if a := w.ask("floor", "crd_1"); true {
		<-a.done
		if away(t, a.err).Taken {
			t.Errorf("without a worker: %v", a.err)
		}
	}
	r := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil, "field": nil, "unknown": nil, "here": nil})
	r.Gateways["roof"] = site.Held{Kind: "kong"}
	_, ignored, err := r.PollOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ignored)
	if want := []string{
		"field: it is not of this site in the portal", "here: it is not of this site in the portal",
		"roof: it is of kind sample in the portal", "unknown: the portal does not know it",
	}; !slices.Equal(ignored, want) {
		t.Errorf("ignored: %q", ignored)
	}
	all, err := w.service.Sites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []portal.Site
	for _, s := range all {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []portal.Site{portal.SiteLocal, "other", plant, "third"}) {
		t.Errorf("sites: %v", names)
	}
	if p := w.site(plant); len(p.Workers) != 1 || !slices.Equal(p.Workers[0].Gateways, []portal.GatewayID{"floor"}) || !p.Workers[0].Connected(w.clock.now()) || !slices.Equal(p.Gateways, []portal.GatewayID{"floor", "roof"}) {
		t.Errorf("the plant: %+v", p)
	}
	if third := w.site("third"); len(third.Enrolments) != 1 || third.Enrolments[0].ID != e.ID {
		t.Errorf("the third: %+v", third)
	}
	states, err := w.service.States(t.Context())
	if err != nil || states(plant, "floor") != site.Connected || states(plant, "roof") != site.Gone || states("other", "floor") != site.Gone {
		t.Errorf("states: %v", err)
	}
	if w.back = slices.Compact(w.back); !slices.Equal(w.back, []portal.GatewayID{"floor"}) {
		t.Errorf("back: %v", w.back)
	}
	w.clock.advance(site.GoneAfter)
	if states, err = w.service.States(t.Context()); err != nil || states(plant, "floor") != site.Gone {
		t.Errorf("a worker that does not poll is there: %v", err)
	}
	if _, err := w.service.Site(t.Context(), "fourth"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("a site that nothing names: %v", err)
	}
}
