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
		review := catalog.Review{
			ID: portal.NewID("rev"), Kind: catalog.ReviewRename, A: c.Before.Deployment.ID, Gateway: p.Gateway, Key: c.After.Key(),
			Score: match.Score, Reasons: match.Reasons, State: catalog.ReviewOpen, Opened: now,
		}
		added, err := store.AddReview(ctx, review)
		if err == nil && !added {
			err = askAgain(ctx, store, now, review)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askAgain asks whether a deployment got a name that it had once, by a rename that somebody accepted. A no stays one.
func askAgain(ctx context.Context, store catalog.Store, now time.Time, review catalog.Review) error {
	known, err := store.SameReview(ctx, review)
	if err != nil || known.State != catalog.ReviewAccepted {
		return err
	}
	known.State, known.DecidedBy, known.Decided = catalog.ReviewOpen, "", now
	return store.UpdateReview(ctx, known, catalog.ReviewAccepted)
}
