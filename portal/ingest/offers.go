package ingest

import (
	"context"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
)

// offer asks a person about renames that are likely and not certain.
func offer(ctx context.Context, store catalog.Store, now time.Time, p Plan) error {
	for _, c := range p.Offer {
		match := correlate.Compare(correlate.New(facts(c.Before)), correlate.New(facts(c.After)))
		_, err := store.AddReview(ctx, catalog.Review{
			ID: portal.NewID("rev"), Kind: catalog.ReviewRename, A: c.Before.Deployment.ID, Gateway: p.Gateway, Key: c.After.Key(),
			Score: match.Score, Reasons: match.Reasons, State: catalog.ReviewOpen, Opened: now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
