package keys

import (
	"context"
	"time"

	"concierge/portal"
)

// SweepOnce does what is due now, and waits for it. It does not reconcile.
func (s *Service) SweepOnce(ctx context.Context) error {
	w := sweeper{s: s, busy: map[portal.GatewayID]bool{}, reconciled: time.Now()}
	defer w.running.Wait()
	return w.pass(ctx)
}
