package site

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"
	"unicode"

	"concierge/connectors"
	"concierge/portal"
)

// Prefix is where the portal answers workers. Every request is a POST; all but Enrol carry the worker's secret as a
// bearer token. Answers are JSON, errors {"error": "…"}: 401 the secret is not, or no longer, that of a worker; 409 the
// call is not, or no longer, the worker's; 413 the answer is larger than maxAnswer.
const Prefix = "/worker/v1"

// The calls of a worker.
const (
	enrolPath  = Prefix + "/enrol"
	pollPath   = Prefix + "/poll"
	renewPath  = Prefix + "/renew"
	returnPath = Prefix + "/return"
	answerPath = Prefix + "/calls/{call}/answer" // ?lease=&part=&last=: the lease is no secret without the worker's own
)

const (
	pollFor   = 20 * time.Second // how long a poll waits for a call
	graceFor  = 10 * time.Second // how long after it ended the next one may be on its way
	leaseFor  = 15 * time.Second
	renewEach = leaseFor / 3

	maxRequest = 1 << 20   // bytes of a request but for answers
	partSize   = 512 << 10 // plaintext of one part of an answer; a proxy that lets one megabyte by lets it by
	maxPart    = partSize + 16<<10
	maxAnswer  = 64 << 20 // bytes of a whole answer
)

// enrolment is how a worker joins. It makes its secret itself, so that it may ask again when the answer got lost.
type enrolment struct {
	Token   string      `json:"token"`
	Secret  string      `json:"secret"`
	Site    portal.Site `json:"site"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
}

type enrolled struct {
	Worker string `json:"worker"`
}

// poll asks for calls. It is the heartbeat too.
type poll struct {
	Version  string        `json:"version"`
	Name     string        `json:"name"`
	Wait     time.Duration `json:"wait"` // at most, for a call to come
	Gateways []holding     `json:"gateways"`
	Calls    []heldCall    `json:"calls"` // under way
}

// holding is a gateway that a worker has the credentials of. It takes up to Free calls; the last place is for urgent ones.
type holding struct {
	ID   portal.GatewayID `json:"id"`
	Kind string           `json:"kind"`
	Free int              `json:"free"`
}

type polled struct {
	Calls   []order   `json:"calls"`
	Ignored []ignored `json:"ignored"`
	Lost    []string  `json:"lost"` // of those under way: nobody waits for them any more
}

// ignored is a gateway that the portal gives no call for, with the reason.
type ignored struct {
	ID     portal.GatewayID `json:"id"`
	Reason string           `json:"reason"`
}

// order is a call as its worker gets it.
type order struct {
	ID        string           `json:"id"`
	Lease     string           `json:"lease"`
	Gateway   portal.GatewayID `json:"gateway"`
	Operation string           `json:"operation"`
	Request   request          `json:"request"`
	ReplyKey  []byte           `json:"reply_key"`
	Remaining time.Duration    `json:"remaining"` // until its deadline: clocks may differ
}

// held names calls under their leases.
type held struct {
	Calls   []heldCall `json:"calls"`
	Leaving bool       `json:"leaving,omitempty"` // of calls that are handed back: the worker stops
}

type heldCall struct {
	ID    string `json:"id"`
	Lease string `json:"lease"`
}

// lost are the calls that are no longer the worker's.
type lost struct {
	Calls []string `json:"calls"`
}

// The operations: the methods of a connector.
const (
	opProbe    = "Probe"
	opDiscover = "Discover"
	opDocument = "OpenDocument"
	opIssue    = "Issue"
	opStatus   = "Status"
	opFind     = "Find"
	opRevoke   = "Revoke"
	opList     = "List"
	opSuspend  = "Suspend"
	opResume   = "Resume"
)

// request holds what the operation is asked with. Secrets are in clear: it is sealed at rest and travels over TLS.
type request struct {
	Since    connectors.Cursor      `json:"since,omitempty"`
	Document connectors.DocumentRef `json:"document,omitzero"`
	Mark     connectors.Mark        `json:"mark,omitzero"`
	Handle   handle                 `json:"handle,omitzero"`
	Issue    issue                  `json:"issue,omitzero"`
	After    connectors.Cursor      `json:"after,omitempty"`
	Limit    int                    `json:"limit,omitempty"`
}

// issue is a connectors.IssueRequest without its value: the worker makes that.
type issue struct {
	Deployment  connectors.Key `json:"deployment"`
	Plan        string         `json:"plan"`
	Label       string         `json:"label"`
	Expires     time.Time      `json:"expires"`
	AcceptReach bool           `json:"accept_reach"`
}

// reply is what the operation came to; the bytes of a document follow it. It travels encrypted.
type reply struct {
	Failure      *failure                 `json:"failure,omitempty"`
	Capabilities *connectors.Capabilities `json:"capabilities,omitempty"`
	Snapshot     *connectors.Snapshot     `json:"snapshot,omitempty"`
	Issued       *issued                  `json:"issued,omitempty"`
	Found        []found                  `json:"found,omitempty"`
	Next         connectors.Cursor        `json:"next,omitempty"`
	Absent       bool                     `json:"absent,omitempty"`
}

type handle struct {
	Open   map[string]string `json:"open,omitempty"`
	Sealed map[string]string `json:"sealed,omitempty"`
}

func toHandle(h connectors.Handle) handle {
	to := handle{Open: h.Open}
	for k, v := range h.Sealed {
		if to.Sealed == nil {
			to.Sealed = map[string]string{}
		}
		to.Sealed[k] = v.Reveal()
	}
	return to
}

func (h handle) handle() connectors.Handle {
	to := connectors.Handle{Open: h.Open}
	for k, v := range h.Sealed {
		if to.Sealed == nil {
			to.Sealed = map[string]portal.Secret{}
		}
		to.Sealed[k] = portal.NewSecret(v)
	}
	return to
}

type issued struct {
	Progress connectors.Progress `json:"progress"`
	Handle   handle              `json:"handle"`
	Parts    []part              `json:"parts"`
	Expires  time.Time           `json:"expires"`
	Note     string              `json:"note"`
}

type part struct {
	In     string `json:"in"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	Value  string `json:"value"`
	Public bool   `json:"public"`
}

func toIssued(i connectors.Issued) *issued {
	to := &issued{Progress: i.Progress, Handle: toHandle(i.Handle), Expires: i.Expires, Note: i.Note}
	for _, p := range i.Parts {
		to.Parts = append(to.Parts, part{p.In, p.Name, p.Prefix, p.Value.Reveal(), p.Public})
	}
	return to
}

func (i *issued) issued() connectors.Issued {
	to := connectors.Issued{Progress: i.Progress, Handle: i.Handle.handle(), Expires: i.Expires, Note: clean(i.Note)}
	for _, p := range i.Parts {
		to.Parts = append(to.Parts, connectors.Part{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: portal.NewSecret(p.Value), Public: p.Public})
	}
	return to
}

type found struct {
	Mark     connectors.Mark     `json:"mark"`
	Handle   handle              `json:"handle"`
	Progress connectors.Progress `json:"progress"`
	Created  time.Time           `json:"created"`
	Disabled bool                `json:"disabled"`
}

func toFound(f connectors.Found) found {
	return found{Mark: f.Mark, Handle: toHandle(f.Handle), Progress: f.Progress, Created: f.Created, Disabled: f.Disabled}
}

func (f found) found() connectors.Found {
	return connectors.Found{Mark: f.Mark, Handle: f.Handle.handle(), Progress: f.Progress, Created: f.Created, Disabled: f.Disabled}
}

// failure is an error on its way: its text, and the kinds that it wraps.
type failure struct {
	Text       string        `json:"text"`
	Kinds      []string      `json:"kinds"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

var kinds = []struct {
	name string
	err  error
}{
	{"not-found", portal.ErrNotFound},
	{"denied", portal.ErrDenied},
	{"unavailable", portal.ErrUnavailable},
	{"conflict", portal.ErrConflict},
	{"unsupported", portal.ErrUnsupported},
	{"invalid", portal.ErrInvalid},
}

func toFailure(err error) *failure {
	f := &failure{Text: clean(err.Error())}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			f.Kinds = append(f.Kinds, k.name)
		}
	}
	if retry, ok := errors.AsType[*portal.RetryAfterError](err); ok {
		f.RetryAfter = retry.After
	}
	return f
}

// maxRetryAfter bounds what a worker may ask the portal to wait.
const maxRetryAfter = time.Hour

func (f *failure) error() error {
	e := &remoteError{text: clean(f.Text)}
	for _, k := range kinds {
		for _, name := range f.Kinds {
			if k.name == name {
				e.wraps = append(e.wraps, k.err)
			}
		}
	}
	if f.RetryAfter > 0 {
		e.wraps = append(e.wraps, &portal.RetryAfterError{After: min(f.RetryAfter, maxRetryAfter), Err: portal.ErrUnavailable})
	}
	return e
}

// remoteError is an error that happened at a worker.
type remoteError struct {
	text  string
	wraps []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.wraps }

// maxText bounds a text from the other side that people read.
const maxText = 2000

// clean makes text from the other side fit to be read: valid, on one line, bounded.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

func hash(secret string) Hash { return sha256.Sum256([]byte(secret)) }
