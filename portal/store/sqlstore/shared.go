package sqlstore

import (
	"errors"
	"strings"
	"sync"

	fastjson "github.com/segmentio/encoding/json"

	"concierge/portal"
)

// shared are parts of deployments that many have in common, by their text or their JSON: each is kept once, and changed by
// nobody. It is safe for concurrent use.
type shared struct {
	mu         sync.Mutex
	texts      map[string]string
	placements map[string]portal.Placement
	plans      map[string][]portal.Plan
	tags       map[string][]string
}

func newShared() *shared {
	return &shared{texts: map[string]string{}, placements: map[string]portal.Placement{}, plans: map[string][]portal.Plan{}, tags: map[string][]string{}}
}

// decode reads a deployment. Nothing in it refers to the row: what few others have is copied, the rest is shared.
func (row deploymentRow) decode(s *shared) (portal.Deployment, error) {
	var read struct {
		portal.Deployment
		Placement, Plans, Tags fastjson.RawMessage // in the place of those of the deployment
	}
	rest, err := fastjson.Parse([]byte(row.published), &read, fastjson.ZeroCopy) // its texts are parts of these bytes
	if err == nil && len(rest) > 0 {
		err = errors.New("something follows the deployment")
	}
	if err != nil {
		return portal.Deployment{}, err
	}
	d := &read.Deployment
	for _, text := range []*string{&d.RemoteID, &d.BaseURL, &d.Document} {
		*text = strings.Clone(*text)
	}
	d.ID, d.API, d.Since = portal.DeploymentID(row.id), portal.APIID(row.api), instant(row.since)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range []*string{
		&d.Exposure, &d.Title, &d.Summary, &d.Description, &d.Version, &d.Line, &d.Successor, &d.Owner, &d.Kind, &d.Try, &d.IssueRefused,
		&d.Authentication.Type, &d.Authentication.In, &d.Authentication.Name, &d.Authentication.Prefix,
	} {
		*text = sharedText(s, *text)
	}
	d.Gateway, d.Lifecycle = sharedText(s, d.Gateway), sharedText(s, d.Lifecycle)
	for _, layer := range []*portal.Layer{&d.SaidBy.Lifecycle, &d.SaidBy.Sunset, &d.SaidBy.Successor} {
		*layer = sharedText(s, *layer)
	}
	d.Placement, err = sharedPart(s.placements, read.Placement)
	if err == nil {
		d.Plans, err = sharedPart(s.plans, read.Plans)
	}
	if err == nil {
		d.Tags, err = sharedPart(s.tags, read.Tags)
	}
	return *d, err
}

func sharedText[T ~string](s *shared, text T) T {
	if text == "" {
		return ""
	}
	kept, ok := s.texts[string(text)]
	if !ok {
		kept = strings.Clone(string(text))
		s.texts[kept] = kept
	}
	return T(kept)
}

func sharedPart[T any](all map[string]T, text []byte) (part T, err error) {
	if len(text) == 0 {
		return part, nil
	}
	part, ok := all[string(text)]
	if !ok {
		if err = fastjson.Unmarshal(text, &part); err == nil {
			all[string(text)] = part
		}
	}
	return part, err
}
