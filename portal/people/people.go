// Package people keeps who may come in: organisations, people and their memberships, local accounts, invitations, API
// tokens and browser sessions.
//
// It promises:
//   - what a person may do is asked of package access, and a no is answered like a thing that does not exist;
//   - a password is kept as an argon2id hash, every other secret (link, token, session id) as its SHA-256, and none of
//     them reaches a log, an error or an audit event;
//   - disabling a person or an organisation ends sessions and tokens in the transaction that disables;
//   - there is always a platform administrator who can sign in, once there was one;
//   - every change is one transaction with its audit event, and with store.ChangedPerson where a caller changes.
package people

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Organisation is a company or division whose members share an audience.
type Organisation struct {
	ID       portal.OrganisationID
	Name     string
	Audience portal.Audience
	Division portal.Division // internal organisations only
	Region   portal.Region
	Disabled bool
	Members  int
	Created  time.Time
}

// NewOrganisation asks for an organisation. Names are unique without regard to case.
type NewOrganisation struct {
	Name     string
	Audience portal.Audience
	Division portal.Division
	Region   portal.Region
}

// State is where a person's account stands.
type State string

// The states of an account.
const (
	Invited  State = "invited" // no password yet
	Active   State = "active"
	Disabled State = "disabled"
)

// Person is somebody with an account.
type Person struct {
	ID          portal.PersonID
	Name        string
	Email       string // lower case, unique
	State       State
	Memberships []Membership // at least one, oldest first
	Created     time.Time
	LastSeen    time.Time // zero: never; written at most once a minute
}

// Membership is what a person may do for one organisation.
type Membership struct {
	Organisation Organisation // without Members
	Roles        []access.Role
}

// caller is the person acting for one of their organisations.
func (p Person) caller(m Membership) access.Caller {
	o := m.Organisation
	return access.Caller{
		Person: p.ID, Name: p.Name, Email: p.Email,
		Organisation: o.ID, OrganisationName: o.Name, Audience: o.Audience, Division: o.Division, Region: o.Region,
		Roles: m.Roles,
	}
}

// membership returns the one in an organisation; empty means the only one there is.
func (p Person) membership(in portal.OrganisationID) (Membership, error) {
	if in == "" && len(p.Memberships) > 1 {
		return Membership{}, invalid("the person is in several organisations: say which")
	}
	for _, m := range p.Memberships {
		if in == "" || m.Organisation.ID == in {
			return m, nil
		}
	}
	return Membership{}, portal.ErrNotFound
}

// Account is what signing in needs to know about a person.
type Account struct {
	Person   portal.PersonID
	Password portal.Secret // the argon2id hash; zero until the invitation is accepted
	Disabled bool
}

// Store keeps people within one transaction. What does not exist is portal.ErrNotFound. Methods that return a bool
// are conditional: false means that the condition did not hold and nothing was written.
type Store interface {
	TeamStore

	// AddOrganisation: portal.ErrConflict where the name is taken.
	AddOrganisation(ctx context.Context, o Organisation) error
	Organisation(ctx context.Context, id portal.OrganisationID) (Organisation, error)
	OrganisationByName(ctx context.Context, name string) (Organisation, error)
	// Organisations are ordered by SortKey of their name; those after a key.
	Organisations(ctx context.Context, after string, limit int) ([]Organisation, error)
	SetOrganisationDisabled(ctx context.Context, id portal.OrganisationID, disabled bool) (bool, error)
	Members(ctx context.Context, id portal.OrganisationID) ([]portal.PersonID, error)

	// AddPerson adds the person without a password, with their memberships. portal.ErrConflict: the e-mail is taken.
	AddPerson(ctx context.Context, p Person) error
	Person(ctx context.Context, id portal.PersonID) (Person, error)
	// People are ordered by SortKey of their name, then by id; those after the two.
	People(ctx context.Context, name string, id portal.PersonID, limit int) ([]Person, error)
	Account(ctx context.Context, email string) (Account, error)
	// SignedIn notes the time, if the account is not disabled and the hash still the same.
	SignedIn(ctx context.Context, id portal.PersonID, hash portal.Secret, at time.Time) (bool, error)
	// SetPassword also sets the name, if the account is not disabled.
	SetPassword(ctx context.Context, id portal.PersonID, name string, hash portal.Secret) (bool, error)
	SetDisabled(ctx context.Context, id portal.PersonID, disabled bool) (bool, error)
	// SetRoles adds the membership where it is missing.
	SetRoles(ctx context.Context, id portal.PersonID, in portal.OrganisationID, roles []access.Role, at time.Time) error
	// LockAdministrators lets one transaction at a time change who is an administrator.
	LockAdministrators(ctx context.Context) error
	// Administrators counts the platform administrators who can sign in.
	Administrators(ctx context.Context) (int, error)

	// Caller returns the person acting for an organisation; portal.ErrNotFound unless both are active.
	Caller(ctx context.Context, id portal.PersonID, in portal.OrganisationID) (access.Caller, error)
	// Callers returns every token of active people in active organisations. Compare Expires when it is used.
	Callers(ctx context.Context) ([]TokenCaller, error)
	// CallersOf returns those of one person.
	CallersOf(ctx context.Context, id portal.PersonID) ([]TokenCaller, error)
	CallerByToken(ctx context.Context, h Hash) (TokenCaller, error)

	AddToken(ctx context.Context, h Hash, person portal.PersonID, in portal.OrganisationID, t Token) error
	// Tokens are ordered newest first.
	Tokens(ctx context.Context, person portal.PersonID, in portal.OrganisationID) ([]Token, error)
	RevokeToken(ctx context.Context, person portal.PersonID, in portal.OrganisationID, id string) (bool, error)
	// TokenUsed notes the use for the token and its person.
	TokenUsed(ctx context.Context, h Hash, at time.Time) error

	// PutLink voids the older link of the same person.
	PutLink(ctx context.Context, l Link) error
	Link(ctx context.Context, h Hash) (Link, error)
	// LinkOf returns the link of a person, or of the first administrator.
	LinkOf(ctx context.Context, person portal.PersonID) (Link, error)
	// TakeLink removes the link; of several who try, one gets it.
	TakeLink(ctx context.Context, h Hash) (Link, error)
	VoidLink(ctx context.Context, person portal.PersonID) error

	// Attempts is what was tried to sign in at a place, portal.ErrNotFound for nothing.
	Attempts(ctx context.Context, place string) (Attempts, error)
	PutAttempts(ctx context.Context, place string, a Attempts) error
	// SignedInFrom says when somebody signed in at a place, portal.ErrNotFound for never.
	SignedInFrom(ctx context.Context, place string) (time.Time, error)
	PutSignedInFrom(ctx context.Context, place string, at time.Time) error
	// ForgetAttempts removes those whose limit is whole again at a time, and places where nobody signed in since another.
	ForgetAttempts(ctx context.Context, whole, known time.Time) error

	// AddSession adds it if person and organisation are active.
	AddSession(ctx context.Context, s Session) (bool, error)
	Session(ctx context.Context, h Hash) (Session, error)
	// SaveSession writes its data, if it is still there and the same person's for the same organisation.
	SaveSession(ctx context.Context, s Session) (bool, error)
	// TouchSession notes that the session was used by its person, if it was not since a time.
	TouchSession(ctx context.Context, h Hash, at, since time.Time) (bool, error)
	EndSession(ctx context.Context, h Hash) error
	// EndSessions and EndTokens end those of a person, in one organisation or, where it is empty, in all; how many.
	EndSessions(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (int64, error)
	EndTokens(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (int64, error)

	// Expire removes sessions made before or not used since a time, and links and tokens that expired before.
	Expire(ctx context.Context, made, used, links, tokens time.Time) error
}

// Tx is a transaction as this package needs it.
type Tx interface {
	People() Store
	Audit() audit.Store
	Changed(kind store.ChangeKind, id string)
}

// DB gives transactions; see store.DB.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Options of a Service. The zero value is good.
type Options struct {
	Audiences []portal.Audience // that an organisation may have; nil means internal, partner, public
	Log       *slog.Logger      // nil discards
	// Fingerprint is a keyed hash, the same in every process: names and addresses of who tries to sign in are kept as that.
	// Nil means a plain SHA-256, from which they can be guessed.
	Fingerprint func(purpose string, data []byte) string
	Now         func() time.Time // nil means time.Now
}

// Service is who may come in. It is safe for concurrent use. Methods that take an access.Caller ask package access
// first and answer portal.ErrNotFound to those who may not; portal.ErrInvalid says what is wrong with the input,
// portal.ErrConflict what stands in the way.
type Service struct {
	db        DB
	log       *slog.Logger
	now       func() time.Time
	audiences []portal.Audience
	hasher    *hasher
	throttle  *throttle
	usage     usage
}

// New returns a service over a database. It takes some 30 ms: it computes the hash that unknown e-mails are compared
// with.
func New(db DB, o Options) (*Service, error) {
	h, err := newHasher(passwordParams)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, log: o.Log, now: o.Now, audiences: o.Audiences, hasher: h, throttle: &throttle{db, o.Fingerprint}}
	if s.audiences == nil {
		s.audiences = []portal.Audience{portal.Internal, portal.Partner, portal.Public}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.throttle.hash == nil {
		s.throttle.hash = func(purpose string, data []byte) string {
			return fmt.Sprintf("%x", sha256.Sum256(append([]byte(purpose), data...)))
		}
	}
	return s, nil
}

const (
	flushEvery = 10 * time.Second
	tokenGrace = 30 * 24 * time.Hour // an expired token stays in its owner's list that long
)

// Run writes when tokens were used, until ctx ends. Start it once in each process: each knows its own.
func (s *Service) Run(ctx context.Context) {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		select {
		case <-flush.C:
			if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("last use of tokens was not written; it is tried again", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := s.Flush(last); err != nil {
				s.log.Warn("last use of tokens was not written", "error", err)
			}
			return
		}
	}
}

// Expire removes sessions, links and tokens that nobody can use any more, and attempts to sign in that count no more. A job
// does so now and then.
func (s *Service) Expire(ctx context.Context) error {
	now := s.time()
	err := s.db.InTx(ctx, func(tx Tx) error {
		if err := tx.People().ForgetAttempts(ctx, now, now.Add(-knownFor)); err != nil {
			return err
		}
		return tx.People().Expire(ctx, now.Add(-SessionLife), now.Add(-SessionIdle), now, now.Add(-tokenGrace))
	})
	if err != nil {
		return fmt.Errorf("removing what has expired: %w", err)
	}
	return nil
}

func (s *Service) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// record appends an audit event about a person, organisation or token.
func (s *Service) record(ctx context.Context, tx Tx, actor portal.PersonID, action, target string, in portal.OrganisationID, detail map[string]string) error {
	return tx.Audit().Append(ctx, audit.Event{At: s.time(), Actor: string(actor), Action: action, Target: target, Organisation: in, Detail: detail})
}

func changed(tx Tx, id portal.PersonID) { tx.Changed(store.ChangedPerson, string(id)) }

// Paging asks for a page of a list. Limit 0 means 50, the most is 200. After is empty or the key that the page before
// returned; it is in clear, so whoever hands it out seals it.
type Paging struct {
	Limit int
	After string
}

func (p Paging) limit() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, 200)
}

// page cuts the row that was read beyond the limit; next is the key of the last one left, empty on the last page.
func page[T any](items []T, limit int, key func(T) string) (cut []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], key(items[limit-1])
}

// SortKey is what lists are ordered by and what makes two names alike.
func SortKey(name string) string { return strings.ToLower(name) }

// ErrSignedOut is the answer to whoever is not known: wrong e-mail or password, a session or token that is unknown, has
// ended or belongs to somebody who may no longer come in. It is a portal.ErrDenied and never says which.
var ErrSignedOut = fmt.Errorf("not signed in: %w", portal.ErrDenied)

// signedOut turns a thing that is not there into ErrSignedOut.
func signedOut(err error) error {
	if errors.Is(err, portal.ErrNotFound) {
		return ErrSignedOut
	}
	return err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), portal.ErrInvalid)
}

func conflict(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), portal.ErrConflict)
}

const maxName = 100 // characters

// cleanName trims a name of a person, organisation or token.
func cleanName(what, name string) (string, error) {
	name = strings.TrimSpace(name)
	if !printable(name) || utf8.RuneCountInString(name) > maxName || name == "" {
		return "", invalid("the %s's name needs 1 to %d characters, none of them control characters", what, maxName)
	}
	return name, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// cleanEmail returns the address in lower case.
func cleanEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > 254 || !printable(email) { // 254: RFC 5321, section 4.5.3.1.3
		return "", told.EmailWrong.As(portal.ErrInvalid)
	}
	return email, nil
}

// cleanRoles returns the roles in the order of access.Roles, each once.
func cleanRoles(roles []access.Role, in portal.Audience) ([]access.Role, error) {
	for _, r := range roles {
		if !slices.Contains(access.Roles, r) {
			return nil, invalid("there is no role %q; the roles are %v", r, access.Roles)
		}
		if !r.MayBeHeldIn(in) {
			return nil, told.RoleInternal.As(portal.ErrInvalid, r)
		}
	}
	clean := []access.Role{}
	for _, r := range access.Roles {
		if slices.Contains(roles, r) {
			clean = append(clean, r)
		}
	}
	return clean, nil
}

func joinRoles(roles []access.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}
