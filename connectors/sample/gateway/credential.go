package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"concierge/portal"
)

// credential is a key of the gateway. The key itself is never kept.
type credential struct {
	ID       string            `json:"id"`
	API      string            `json:"api"`
	Stage    string            `json:"stage"`
	Plan     string            `json:"plan"`
	Label    string            `json:"label"`
	Labels   map[string]string `json:"labels"`
	Hash     []byte            `json:"hash"` // SHA-256 of the key, which is random enough to need no salt
	Created  time.Time         `json:"created"`
	Expires  time.Time         `json:"expires,omitzero"`
	Disabled bool              `json:"disabled"`
	Pending  bool              `json:"pending"`

	limit *rate.Limiter
}

// subscription is the label that MaxKeys counts by.
const subscription = "subscription"

// create makes a credential and returns it with its key. ErrConflict: the id is taken, or the subscription has all the
// keys that it may have. ErrNotFound, ErrInvalid: the API, its stage or its plan.
func (g *Gateway) create(c credential, key string) (credential, string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.purge()
	api, ok := g.apis[c.API]
	if !ok || !slices.Contains(api.Stages, c.Stage) {
		return c, "", fmt.Errorf("there is no such API at that stage: %w", portal.ErrNotFound)
	}
	plan, ok := api.plan(c.Plan)
	if !ok {
		return c, "", fmt.Errorf("the API has no such plan: %w", portal.ErrInvalid)
	}
	if api.Authentication.Type == "none" {
		return c, "", fmt.Errorf("the API takes no keys: %w", portal.ErrInvalid)
	}
	switch {
	case g.opts.CallerKeys && len(key) < 16:
		return c, "", fmt.Errorf("bring a key of 16 characters or more: %w", portal.ErrInvalid)
	case !g.opts.CallerKeys && key != "":
		return c, "", fmt.Errorf("this gateway makes its keys itself: %w", portal.ErrInvalid)
	case !g.opts.CallerKeys:
		key = "sgk_" + rand.Text()
	}
	if _, taken := g.credentials[c.ID]; taken {
		return c, "", fmt.Errorf("the id is taken: %w", portal.ErrConflict)
	}
	hash := sha256.Sum256([]byte(key))
	live := 0
	for _, other := range g.credentials {
		if [sha256.Size]byte(other.Hash) == hash {
			return c, "", fmt.Errorf("the key is in use: %w", portal.ErrConflict)
		}
		if s := c.Labels[subscription]; s != "" && s == other.Labels[subscription] {
			live++
		}
	}
	if g.opts.MaxKeys > 0 && live >= g.opts.MaxKeys {
		return c, "", fmt.Errorf("the subscription has its %d keys: %w", live, portal.ErrConflict)
	}
	c.Hash, c.Created, c.Pending = hash[:], g.now().UTC(), api.Approval
	c.limit = limiter(plan)
	g.credentials[c.ID] = &c
	if err := g.changed(); err != nil {
		delete(g.credentials, c.ID)
		return c, "", err
	}
	return c, key, nil
}

func limiter(p Plan) *rate.Limiter { return rate.NewLimiter(rate.Limit(p.PerSecond), p.PerSecond) }

// purge ends what has expired. The caller holds mu.
func (g *Gateway) purge() {
	now := g.now()
	maps.DeleteFunc(g.credentials, func(_ string, c *credential) bool { return c.expired(now) })
}

func (c *credential) expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// get returns a copy of a credential.
func (g *Gateway) get(id string) (credential, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.purge()
	c, ok := g.credentials[id]
	if !ok {
		return credential{}, fmt.Errorf("there is no such credential: %w", portal.ErrNotFound)
	}
	return *c, nil
}

// list returns up to limit credentials after an id, in order, those with a label only where it is given, and the id to
// go on after, empty at the end.
func (g *Gateway) list(label, after string, limit int) ([]credential, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.purge()
	var page []credential
	for _, id := range slices.Sorted(maps.Keys(g.credentials)) {
		c := g.credentials[id]
		if _, labelled := c.Labels[label]; id <= after || label != "" && !labelled {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].ID
		}
		page = append(page, *c)
	}
	return page, ""
}

// update changes a credential in place.
func (g *Gateway) update(id string, change func(*credential)) (credential, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.purge()
	old, ok := g.credentials[id]
	if !ok {
		return credential{}, fmt.Errorf("there is no such credential: %w", portal.ErrNotFound)
	}
	next := *old // the published table goes on with the old one
	change(&next)
	g.credentials[id] = &next
	if err := g.changed(); err != nil {
		g.credentials[id] = old
		return credential{}, err
	}
	return next, nil
}

// remove deletes a credential.
func (g *Gateway) remove(id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.purge()
	old, ok := g.credentials[id]
	if !ok {
		return fmt.Errorf("there is no such credential: %w", portal.ErrNotFound)
	}
	delete(g.credentials, id)
	if err := g.changed(); err != nil {
		g.credentials[id] = old
		return err
	}
	return nil
}

// ApproveAll lets every pending credential work, as an administrator of the gateway would.
func (g *Gateway) ApproveAll() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, c := range g.credentials {
		if c.Pending {
			next := *c
			next.Pending = false
			g.credentials[id] = &next
		}
	}
	return g.changed()
}

// Live returns how many credentials the gateway holds, with labels of that name only where one is given.
func (g *Gateway) Live(label string) int {
	all, _ := g.list(label, "", int(^uint(0)>>1))
	return len(all)
}

// MakeByHand makes a credential as somebody does who does not use the portal: with an id and without labels.
func (g *Gateway) MakeByHand(id, api, stage string) (portal.Secret, error) {
	key := ""
	if g.opts.CallerKeys {
		key = "hand_" + strings.ToLower(rand.Text())
	}
	g.mu.Lock()
	plan := ""
	if a, ok := g.apis[api]; ok {
		plan = a.Plans[0].ID
	}
	g.mu.Unlock()
	_, key, err := g.create(credential{ID: id, API: api, Stage: stage, Plan: plan, Label: "made by hand"}, key)
	return portal.NewSecret(key), err
}

// load reads the state file.
func (g *Gateway) load() error {
	if g.opts.State == "" {
		return nil
	}
	text, err := os.ReadFile(g.opts.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the sample gateway's state: %w", err)
	}
	var kept []*credential
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("reading the sample gateway's state %s: %w: %w", g.opts.State, portal.ErrInvalid, err)
	}
	for _, c := range kept {
		if len(c.Hash) != sha256.Size || c.ID == "" {
			return fmt.Errorf("reading the sample gateway's state %s: a credential is damaged: %w", g.opts.State, portal.ErrInvalid)
		}
		g.credentials[c.ID] = c
	}
	return nil
}

// save writes the state file, whole or not at all. The caller holds mu.
func (g *Gateway) save() error {
	if g.opts.State == "" {
		return nil
	}
	kept := make([]*credential, 0, len(g.credentials))
	for _, id := range slices.Sorted(maps.Keys(g.credentials)) {
		kept = append(kept, g.credentials[id])
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("saving the sample gateway's state: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(g.opts.State), filepath.Base(g.opts.State)+".*") // 0600
	if err != nil {
		return fmt.Errorf("saving the sample gateway's state: %w", err)
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), g.opts.State)
	}
	if err != nil {
		return fmt.Errorf("saving the sample gateway's state: %w", errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}
