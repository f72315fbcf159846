package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// answer is what a gateway told, cleaned, and what of it could not be used.
//
// Where something is told under an id that cannot be used it is left out, and the rest is taken over. Its silence then may
// mean a deployment that is there: one whose id was garbled on the way. So a deployment that is missing since the first
// answer with such an id is held: it stays until nothing is left out any more. What went missing before or after that is
// removed as ever, so that one bad id does not keep everything for good.
type answer struct {
	snapshot connectors.Snapshot
	told     []connectors.Deployment
	left     []string // says which ids were left out; the same id is always the same text
	first    bool     // the gateway had no good run before
	// leftBefore and heldBefore are those of the last good run.
	leftBefore []string
	heldBefore []connectors.Key
}

// published is everything that the gateway publishes now, and what of it is held. Only a complete answer removes by
// silence; in another, what it does not name stays as it was told last.
func (a answer) published(current []catalog.Record) (all []connectors.Deployment, held []connectors.Key) {
	gone := map[connectors.Key]bool{}
	for _, k := range a.snapshot.Removed {
		gone[k] = true
	}
	for _, d := range a.told {
		gone[d.Key] = true // told anew
	}
	news := slices.ContainsFunc(a.left, func(id string) bool { return !slices.Contains(a.leftBefore, id) })
	all = slices.Clip(a.told) // whoever appends gets a copy
	for _, r := range current {
		if !r.Live() || gone[r.Key()] {
			continue
		}
		hold := a.snapshot.Complete && len(a.left) > 0 && (news || slices.Contains(a.heldBefore, r.Key()))
		if hold {
			held = append(held, r.Key())
		}
		if hold || !a.snapshot.Complete {
			all = append(all, r.Discovered)
		}
	}
	if !a.snapshot.Complete {
		held = slices.DeleteFunc(slices.Clone(a.heldBefore), func(k connectors.Key) bool { return gone[k] })
	}
	return all, held
}

// leftOut is what the next run has to know of what was left out. A change since a cursor says nothing about what did not
// change.
func (a answer) leftOut() []string {
	if a.snapshot.Complete {
		return a.left
	}
	all := slices.Concat(a.leftBefore, a.left)
	slices.Sort(all)
	return slices.Compact(all)
}

func (a answer) warnings(held []connectors.Key) (all []string) {
	for _, id := range a.left {
		all = append(all, fmt.Sprintf("left out, because its id is not text of 1 to %d bytes: %s", maxID, id))
	}
	if len(held) > 0 {
		all = append(all, fmt.Sprintf("missing since such an id is told, and kept because one of them may be meant: %s; mend the id in the gateway", some(held)))
	}
	return all
}

// some names the first of many.
func some(keys []connectors.Key) string {
	const most = 5
	names := ""
	for i, k := range keys[:min(len(keys), most)] {
		if i > 0 {
			names += ", "
		}
		names += k.RemoteID
	}
	if more := len(keys) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}

// maxDeployments is more than the largest installation that the portal is planned for has in all its gateways.
const maxDeployments = 200_000

// clean checks a snapshot and tidies the deployments in it: order that means nothing is made firm, control characters go
// and texts are cut. Those whose id cannot be used are left out and named in left, sorted; a deployment that the answer
// names as removed under such an id was never known. An error wraps portal.ErrInvalid: an answer in which two deployments
// are the same one, or more than a tenth cannot be told apart, or all, is not believed at all, and neither is one that has
// more of them than any gateway.
func clean(s connectors.Snapshot) (all []connectors.Deployment, left []string, err error) {
	if n := len(s.Deployments); n > maxDeployments {
		return nil, nil, fmt.Errorf("the answer makes no sense: it holds %d deployments, and at most %d are taken over from one gateway: %w", n, maxDeployments, portal.ErrInvalid)
	}
	seen := make(map[connectors.Key]bool, len(s.Deployments))
	all = make([]connectors.Deployment, 0, len(s.Deployments))
	for _, d := range s.Deployments {
		switch {
		case d.RemoteID == "" || !usable(d.RemoteID) || !usable(d.Exposure):
			left = append(left, unusable(d))
			continue
		case seen[d.Key]:
			return nil, nil, fmt.Errorf("the answer holds %s twice: %w", d.RemoteID, portal.ErrInvalid)
		}
		seen[d.Key] = true
		all = append(all, tidy(d))
	}
	if n := len(left); n > 0 && (len(all) == 0 || n > 1 && 10*n > len(s.Deployments)) {
		return nil, nil, fmt.Errorf("the answer makes no sense: of %d deployments %d are without an id that is text of 1 to %d bytes: %w", len(s.Deployments), n, maxID, portal.ErrInvalid)
	}
	slices.Sort(left)
	return all, slices.Compact(left), nil
}

// usable reports whether a part of a key can be kept and looked for on every engine. Two of the longest fit into a row of
// PostgreSQL's index.
func usable(id string) bool {
	return len(id) <= maxID && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool { return !plain(r) })
}

// unusable says which deployment is left out: always the same for the same.
func unusable(d connectors.Deployment) string {
	sum := sha256.Sum256([]byte(d.RemoteID + "\x00" + d.Exposure))
	return fmt.Sprintf("%q, id %.40q… (%s)", text(d.Title, 60), text(d.RemoteID, 40), hex.EncodeToString(sum[:4]))
}
