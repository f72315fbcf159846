package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// Rules are what places a gateway's deployments and can be changed without touching its registration.
type Rules struct {
	Detect bool // the usual names of environments count
	Rules  []catalog.Rule
}

// Preview is what rules would do to the deployments that a gateway published last.
type Preview struct {
	// Digest is of the rules and of all that they would do. Who gives it to SetRules gets that or nothing.
	Digest    string
	Changes   []Change // by title, then id
	Unchanged int
	// Unclassified are those of the changed ones that only administrators would see.
	Unclassified []portal.DeploymentID
	// Frozen counts the subscriptions that would be frozen, by deployment.
	Frozen   map[portal.DeploymentID]int
	Warnings []string // in words for an administrator
}

// Preview says what rules would do to a gateway, wherever its registration comes from; nothing is changed. Errors:
// portal.ErrNotFound; portal.ErrInvalid for everything that is wrong with them.
func (r *Gateways) Preview(ctx context.Context, id portal.GatewayID, n Rules) (p Preview, err error) {
	err = r.db.View(ctx, func(tx catalog.Tx) error {
		g, err := tx.Catalog().Gateway(ctx, id)
		if err != nil {
			return err
		}
		_, p, err = r.preview(ctx, tx, g, n)
		return err
	})
	return p, err
}

// preview returns the gateway with the rules, and what they would do.
func (r *Gateways) preview(ctx context.Context, tx catalog.Tx, g catalog.Gateway, n Rules) (catalog.Gateway, Preview, error) {
	was := g
	g.Rules, g.Detect = n.Rules, nil
	if n.Detect {
		g.Detect = r.names
	}
	if err := errors.Join(check(g)...); err != nil {
		return g, Preview{}, err
	}
	current, err := tx.Catalog().Records(ctx, g.ID)
	if err != nil {
		return g, Preview{}, err
	}
	held, err := tx.Keys().Held(ctx, g.ID)
	if err != nil {
		return g, Preview{}, err
	}
	plan := Compare(g, capabilities(g), current, foundBefore(current))
	p := Preview{Changes: plan.Change, Unchanged: plan.Unchanged, Warnings: plan.Warnings, Frozen: map[portal.DeploymentID]int{}}
	slices.SortFunc(p.Changes, func(a, b Change) int {
		x, y := a.After.Deployment, b.After.Deployment
		return strings.Compare(x.Title+"\x00"+string(x.ID), y.Title+"\x00"+string(y.ID))
	})
	for _, c := range p.Changes {
		if !c.After.Deployment.Placement.Classified() {
			p.Unclassified = append(p.Unclassified, c.After.Deployment.ID)
		}
	}
	reclassified := plan.reclassified()
	for _, h := range held {
		if _, ok := reclassified[h.Deployment]; ok {
			p.Frozen[h.Deployment]++
		}
	}
	p.Digest, err = digest(was, n, p)
	return g, p, err
}

// digest is of the gateway as it was, the rules and what they would do.
func digest(was catalog.Gateway, n Rules, p Preview) (string, error) {
	type effect struct{ Before, After string }
	effects := make([]effect, len(p.Changes))
	for i, c := range p.Changes {
		effects[i] = effect{c.Before.Fingerprint, c.After.Fingerprint}
	}
	b, err := json.Marshal([]any{was.ID, was.Changed.UnixMicro(), n, effects, p.Frozen})
	if err != nil {
		return "", fmt.Errorf("preview of the rules of gateway %s: %w", was.ID, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// SetRules replaces a gateway's rules as they were previewed, and places its deployments anew at once. Errors:
// portal.ErrNotFound; portal.ErrInvalid for everything that is wrong with them; portal.ErrConflict where the gateway comes
// from the configuration file, or where the digest is not that of what would happen now.
func (r *Gateways) SetRules(ctx context.Context, actor string, id portal.GatewayID, n Rules, previewed string) error {
	return r.db.InTx(ctx, func(tx catalog.Tx) error {
		was, err := tx.Catalog().Gateway(ctx, id)
		if err != nil {
			return err
		}
		if was.Source == catalog.FromConfiguration {
			return told.RulesInFile.As(portal.ErrConflict, id)
		}
		g, p, err := r.preview(ctx, tx, was, n)
		if err != nil {
			return err
		}
		if p.Digest != previewed {
			return told.RulesUnseen.As(portal.ErrConflict)
		}
		if reflect.DeepEqual(normal(g), normal(was)) {
			return nil
		}
		if err := r.put(ctx, tx, actor, "gateway.change", g); err != nil {
			return err
		}
		frozen := 0
		for _, held := range p.Frozen {
			frozen += held
		}
		event := audit.Event{At: r.now().UTC(), Actor: actor, Action: "gateway.rules", Target: string(id), Gateway: id, Detail: map[string]string{
			"was": describeRules(was), "rules": describeRules(g), "changed": strconv.Itoa(len(p.Changes)), "unclassified": strconv.Itoa(len(p.Unclassified)), "frozen": strconv.Itoa(frozen),
		}}
		if err := tx.Audit().Append(ctx, event); err != nil {
			return err
		}
		return replan(ctx, tx, actor, g, r.now())
	})
}

// describeRules says in words what places the deployments of a gateway.
func describeRules(g catalog.Gateway) string {
	var all []string
	if g.Detect != nil {
		all = append(all, "environments: detect")
	}
	for i, rule := range g.Rules {
		var sets []string
		for _, axis := range slices.Sorted(maps.Keys(rule.Set)) {
			sets = append(sets, string(axis)+" "+rule.Set[axis])
		}
		if rule.Public != "" {
			sets = append(sets, "address "+rule.Public)
		}
		all = append(all, fmt.Sprintf("%d. %s: %s", i+1, rule.Match, strings.Join(sets, ", ")))
	}
	return strings.Join(all, "; ")
}

// redetect takes over what names stand for now in a gateway that is not from the configuration file.
func (r *Gateways) redetect(ctx context.Context, tx catalog.Tx, g catalog.Gateway) error {
	if g.Detect == nil || maps.Equal(g.Detect, r.names) {
		return nil
	}
	g.Detect = r.names
	if err := r.put(ctx, tx, ConfigurationActor, "gateway.change", g); err != nil {
		return err
	}
	return replan(ctx, tx, ConfigurationActor, g, r.now())
}
