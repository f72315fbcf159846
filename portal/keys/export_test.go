package keys

import (
	"context"
	"errors"
	"sync"

	"concierge/portal"
)

// SweepOnce does what is due now, on all gateways at once as their jobs do, and waits for it. It does not reconcile.
func (s *Service) SweepOnce(ctx context.Context) error {
	due := map[portal.GatewayID]bool{}
	err := s.db.View(ctx, func(tx Tx) error {
		ended, err := tx.Keys().EndedCredentials(ctx, "", s.now(), 1)
		acts, actsErr := tx.Keys().DueActs(ctx, "", s.now(), 1)
		for _, c := range ended {
			due[c.Gateway] = true
		}
		for _, a := range acts {
			due[a.Gateway] = true
		}
		return errors.Join(err, actsErr)
	})
	if err != nil {
		return err
	}
	var working sync.WaitGroup
	for id := range due {
		working.Go(func() { _, _ = s.Act(ctx, id) }) // its errors come again with the next one
	}
	working.Wait()
	return nil
}
