package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/segmentio/encoding/json"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// settled remembers what gateways told that is in the catalog, so that a sync reads and works out what is new only. A process
// remembers what it has worked out itself: after a start every gateway is looked at whole once. It is safe for concurrent use.
type settled struct {
	mu sync.Mutex
	of map[portal.GatewayID]standing
}

// standing is what one gateway told, by a registration and capabilities.
type standing struct {
	by  mark
	all map[connectors.Key]outcome
}

// outcome is what came of what was told of one deployment.
type outcome struct {
	told        mark
	fingerprint string   // of the record
	warnings    []string // that every sync gives
}

type mark [16]byte

func markOf(v any) (m mark) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ingest: what a gateway told is not JSON: %v", err)) // text, numbers and times only: cannot happen
	}
	sum := sha256.Sum256(b)
	copy(m[:], sum[:])
	return m
}

func (s *settled) get(g portal.GatewayID, by mark) map[connectors.Key]outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had := s.of[g]; had.by == by {
		return had.all
	}
	return nil
}

func (s *settled) put(g portal.GatewayID, by mark, all map[connectors.Key]outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[g] = standing{by, all}
}

// news is what a sync has to look at.
type news struct {
	answer
	current []catalog.Record
	same    map[connectors.Key]outcome // what is told and in the catalog as it was worked out before
	by      mark
}

// news leaves out what is settled. It does so for complete answers: what another one does not tell, the records tell.
func (s *Service) news(ctx context.Context, g catalog.Gateway, able connectors.Capabilities, heard answer) (news, error) {
	registered := g
	registered.Capabilities = nil // as of the last sync: none before the first
	n := news{answer: heard, same: map[connectors.Key]outcome{}, by: markOf([]any{registered, able})}
	known := s.settled.get(g.ID, n.by)
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		if len(known) == 0 || !heard.snapshot.Complete || len(heard.left) > 0 {
			n.current, err = tx.Catalog().Records(ctx, g.ID)
			return err
		}
		kept, err := tx.Catalog().Kept(ctx, g.ID)
		if err != nil {
			return err
		}
		fingerprints := make(map[connectors.Key]string, len(kept))
		for _, k := range kept {
			if k.Live {
				fingerprints[k.Key] = k.Fingerprint
			}
		}
		n.told = nil
		told := make(map[connectors.Key]bool, len(heard.told))
		for _, d := range heard.told {
			told[d.Key] = true
			was, ok := known[d.Key]
			if ok && was.fingerprint == fingerprints[d.Key] && was.told == markOf(d) {
				n.same[d.Key] = was
			} else {
				n.told = append(n.told, d)
			}
		}
		var ids []portal.DeploymentID
		for _, k := range kept {
			if _, same := n.same[k.Key]; !same && (k.Live || told[k.Key]) {
				ids = append(ids, k.ID)
			}
		}
		n.current, err = tx.Catalog().RecordsWith(ctx, ids)
		return err
	})
	return n, err
}

// add counts in a plan what was left out.
func (n news) add(p *Plan) {
	p.Unchanged += len(n.same)
	for _, o := range n.same {
		p.Warnings = append(p.Warnings, o.warnings...)
	}
	slices.Sort(p.Warnings)
}

// settle remembers what was found, once the plan is applied. What depends on more than what the gateway told is left out:
// a document without a revision, and one that could not be had.
func (s *Service) settle(g portal.GatewayID, n news, found []Found, outcomes map[connectors.Key]outcome) {
	if len(found) == 0 && len(n.current) == 0 {
		return // nothing is new
	}
	for _, f := range found {
		o, ok := outcomes[f.Key]
		if ok && (f.Deployment.Document.ID == "" || f.Revision != "" && f.Revision == f.Deployment.Document.Revision) {
			o.told = markOf(f.Deployment)
			n.same[f.Key] = o
		}
	}
	s.settled.put(g, n.by, n.same)
}
