package kong

import (
	"context"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal"

	"github.com/google/uuid"
)

// Tags that we write. Kong takes printable ASCII and UTF-8 but for comma and slash (3.9.3, recorded in testdata); ids are
// escaped as in a query, which leaves those that the portal makes as they are.
const (
	managed         = "concierge:managed"
	tagCredential   = "concierge-credential:"
	tagSubscription = "concierge-subscription:"
	tagApplication  = "concierge-application:"
	tagLabel        = "concierge-label:"
)

// credentialTags carry the whole mark.
func credentialTags(m connectors.Mark) []string {
	return append(consumerTags(m), tagCredential+url.QueryEscape(string(m.Credential)))
}

// consumerTags carry the mark but for the credential: a consumer holds several.
func consumerTags(m connectors.Mark) []string {
	return []string{managed, subscriptionTag(m.Subscription), tagApplication + url.QueryEscape(string(m.Application))}
}

func subscriptionTag(id portal.SubscriptionID) string {
	return tagSubscription + url.QueryEscape(string(id))
}

// markOf reads a mark back from tags; ok is false where they carry none.
func markOf(tags []string) (m connectors.Mark, ok bool) {
	value := func(prefix string) string {
		for _, t := range tags {
			if v, found := strings.CutPrefix(t, prefix); found {
				if id, err := url.QueryUnescape(v); err == nil {
					return id
				}
			}
		}
		return ""
	}
	m.Credential = portal.CredentialID(value(tagCredential))
	m.Subscription = portal.SubscriptionID(value(tagSubscription))
	m.Application = portal.ApplicationID(value(tagApplication))
	return m, m.Credential != "" && slices.Contains(tags, managed)
}

// labelTag is a label for people, made to fit into a tag.
func labelTag(label string) string {
	clean := strings.Map(func(r rune) rune {
		if r == ',' || r == '/' || r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(label, " "))
	return tagLabel + strings.TrimSpace(clean)
}

// derive makes the id of one of our objects from what it stands for, always the same.
func derive(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.QueryEscape(p)
	}
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "/"))).String()
}

// namespace of our ids. It never changes: existing keys are found by it.
var namespace = uuid.MustParse("6f1c9a52-0d0e-5b7f-9a53-4f2d6f0c5e11")

func credentialID(id portal.CredentialID) string { return derive("credential", string(id)) }

// consumerID is that of the gateway consumer that holds the keys of one subscription for one service. After a move to
// another service of the same gateway the subscription has a second one, so that neither key opens the other service.
func consumerID(s portal.SubscriptionID, serviceID string) string {
	return derive("consumer", string(s), serviceID)
}

func membershipID(consumerID, group string) string { return derive("membership", consumerID, group) }

// isID tells ids from other texts. In a path, Kong takes a text that is no UUID for a name, or for the key itself.
func isID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}

// locks keep acts on one gateway consumer apart within this process, so that two Issues of one mark make one key, and a
// consumer is not removed while it gets a new key. Between processes the portal's leases do that.
type locks [64]chan struct{}

func newLocks() (l locks) {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return l
}

// hold waits for the lock of a consumer until ctx ends.
func (l *locks) hold(ctx context.Context, consumerID string) (release func(), err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(consumerID))
	lock := l[h.Sum32()%uint32(len(l))]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
