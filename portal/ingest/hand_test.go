package ingest

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal/catalog"
)

// held is a gateway whose documents do not come before their context ends.
type held struct {
	*fake
	asked chan struct{}
}

func (h held) OpenDocument(ctx context.Context, _ connectors.DocumentRef) (io.ReadCloser, error) {
	select {
	case h.asked <- struct{}{}:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// A gateway that takes all places and whose documents do not come keeps nobody from being synced.
func TestSlowDocumentsGiveTheirPlaceToOthers(t *testing.T) {
	d := newDesk(t, Options{})
	all := make([]connectors.Deployment, inHand)
	for i := range all {
		all[i] = withDocument(deployment(fmt.Sprint("slow-", i), "Slow"), "slow", "1")
	}
	slow := held{&fake{able: able(), deployments: all}, make(chan struct{})}
	d.registerAs("slow", slow)
	d.register("quick", deployment("a", "A"))
	run, err := d.service.Sync(t.Context(), "slow", "per_admin")
	if err != nil {
		t.Fatal(err)
	}
	<-slow.asked // it has its places
	if got := d.sync("quick"); got.State != catalog.Applied {
		t.Errorf("quick: %+v", got)
	}
	if at, err := d.service.Run(t.Context(), "slow", run.ID); err != nil || at.State != catalog.Running {
		t.Errorf("slow: %+v, %v", at, err)
	}
}

// However many wait, no more deployments are in hand than fit; who has left twice has left once.
func TestPlaces(t *testing.T) {
	d := newDesk(t, Options{})
	s := d.service
	first, err := s.enter(t.Context(), 10*inHand)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.enter(ctx, 1); err == nil {
		t.Error("there was a place beside one that needs all")
	}
	first()
	first()
	for range 2 {
		if _, err := s.enter(t.Context(), inHand/2); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.enter(ctx, 1); err == nil {
		t.Error("a place was given back twice")
	}
	if none, err := s.enter(t.Context(), 0); err != nil {
		t.Errorf("who has nothing to do waits: %v", err)
	} else {
		none()
	}
}
