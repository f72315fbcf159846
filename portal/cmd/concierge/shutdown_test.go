//go:build crashpoints && unix

package main

import (
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"concierge/portal/api"
)

// patientGateway lets the next request that makes a key wait until it is let go.
type patientGateway struct {
	arrived, release chan struct{}
	once             sync.Once
}

func (p *patientGateway) between(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			p.once.Do(func() {
				close(p.arrived)
				<-p.release
			})
		}
		next.ServeHTTP(w, r)
	})
}

// TestKilledInGoodOrder: asked to end, the program takes no more, finishes the claim, and shows its secret. One whose
// gateway does not answer in time is told so, and the next start leaves nothing of it that works.
func TestKilledInGoodOrder(t *testing.T) {
	for name, slow := range map[string]bool{"the gateway answers in time": false, "the gateway does not": true} {
		t.Run(name, func(t *testing.T) {
			g := &patientGateway{arrived: make(chan struct{}), release: make(chan struct{})}
			release := sync.OnceFunc(func() { close(g.release) })
			defer release()
			m := newMortal(t, program(t), g.between)
			sub := m.subscribe(payments)
			answered := make(chan answer, 1)
			go func() {
				a, err := m.try(http.MethodPost, "/api/v1/subscriptions/"+sub.ID+"/credentials", nil)
				if err != nil {
					t.Error(err)
				}
				answered <- a
			}()
			<-g.arrived
			if err := m.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			for began := time.Now(); !strings.Contains(m.log.String(), "msg=stopping"); time.Sleep(5 * time.Millisecond) {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("it does not stop:\n%s", &m.log)
				}
			}
			if !slow {
				release()
			}
			a := <-answered
			if err := m.Wait(); err != nil {
				t.Errorf("it ended badly: %v\n%s", err, &m.log)
			}
			release()
			if !slow {
				if claimed := read[api.ClaimBody](t, a, "the claim", http.StatusCreated); claimed.Secret == "" {
					t.Error("its secret is lost")
				}
			} else if a.status != http.StatusServiceUnavailable {
				t.Errorf("the claim was answered %d %s", a.status, a.body)
			}
			m.start("")
			all := m.credentials()
			if len(all) != 1 {
				t.Fatalf("the claim left %+v", all)
			}
			if !slow {
				m.becomes(all[0].ID, "active")
				return
			}
			for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				state := m.credentials()[0].State
				if held := m.keysOnGateway(); len(held) == 0 && (state == "failed" || state == "revoked") {
					break
				}
				if time.Since(began) > 30*time.Second {
					t.Fatalf("the key that nobody saw is %s, and the gateway holds %v", state, m.keysOnGateway())
				}
			}
			m.claimsAgain(sub.ID)
		})
	}
}
