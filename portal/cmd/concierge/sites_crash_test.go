//go:build crashpoints && unix

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal/access"
	"concierge/portal/api"
)

// TestSitesKilled kills a worker in the middle of a claim and of a revocation, and starts it again: the claim is answered
// 202 and gives a key in the end, the revocation holds without anybody asking again, and the gateway has the keys that the
// portal knows and no other.
func TestSitesKilled(t *testing.T) {
	p := newPlant(t, program(t, "crashpoints"))
	s := newSited(t, p)
	who := s.person(t, "ivo@alpenglow.example", staff, access.Developer)
	data := t.TempDir()
	one := p.worker(data, s.token())
	s.connected(1)
	// with starts the worker anew; it dies at the point.
	with := func(point string) {
		t.Helper()
		one.end(t)
		s.connected(0)
		one = p.worker(data, "", "CONCIERGE_CRASH="+point)
		s.connected(1)
	}
	again := func() {
		t.Helper()
		late := time.AfterFunc(backWithin, func() { _ = one.Process.Kill() })
		_ = one.Wait()
		if !late.Stop() {
			t.Fatalf("it did not die:\n%s", &one.log)
		}
		s.connected(0)
		one = p.worker(data, "")
		s.connected(1)
	}
	settled := func() {
		t.Helper()
		s.eventually("the gateway has the keys that the portal knows, and no other", func() bool { return slices.Equal(p.keys(), live(who)) })
	}

	for _, point := range []string{"taken", "done"} {
		t.Run("claim, "+point, func(t *testing.T) {
			sub := s.subscribed(who, "payments")
			with("worker.Issue." + point)
			waiting := ask[api.ClaimBody](who, http.MethodPost, "/subscriptions/"+sub.ID+"/credentials", nil, http.StatusAccepted)
			if waiting.Secret != "" || !strings.Contains(waiting.Note, "the worker of site plant did not answer") {
				t.Errorf("it is answered %+v", waiting)
			}
			if repeated := ask[api.ClaimBody](who, http.MethodPost, "/subscriptions/"+sub.ID+"/credentials", nil, http.StatusAccepted); repeated.ID != waiting.ID {
				t.Errorf("claimed again it is answered %+v", repeated)
			}
			if n := len(p.keys()); (n == 1) != (point == "done") {
				t.Errorf("the kill left %d keys", n)
			}
			again()
			var key api.ClaimBody
			s.eventually("the claim gives a key", func() bool {
				a := who.send(http.MethodPost, "/api/v1/subscriptions/"+sub.ID+"/credentials", nil)
				if a.status == http.StatusAccepted || a.status == http.StatusConflict {
					return false
				}
				key = read[api.ClaimBody](t, a, "a claim", http.StatusCreated)
				return true
			})
			within(t, workingWithin, "with the key", func() int { return use(t, key.BaseURL, key.Parts) }, works)
			settled()
			who.revoke(key.ID)
		})
	}

	t.Run("claim, answered", func(t *testing.T) {
		sub := s.subscribed(who, "payments")
		with("worker.Issue.answered")
		key := who.claim(sub.ID) // what the portal has is enough
		within(t, workingWithin, "with the key", func() int { return use(t, key.BaseURL, key.Parts) }, works)
		again()
		settled()
		who.revoke(key.ID)
	})

	for _, point := range []string{"taken", "done", "answered"} {
		t.Run("revoke, "+point, func(t *testing.T) {
			key := who.claim(s.subscribed(who, "payments").ID)
			with("worker.Revoke." + point)
			answer := ask[api.Credential](who, http.MethodDelete, "/credentials/"+key.ID, nil, http.StatusOK, http.StatusAccepted)
			if point != "answered" && (answer.State != "revoking" || answer.Effective != nil) {
				t.Errorf("it is answered %+v", answer)
			}
			if status := use(t, key.BaseURL, key.Parts); works(status) != (point == "taken") {
				t.Errorf("after the kill the key is answered %d", status)
			}
			again()
			s.eventually("the revocation holds", func() bool { // nobody asks again
				return get[api.Credential](who, "/credentials/"+key.ID).State == "revoked"
			})
			settled()
		})
	}
}
