package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/store"
	"concierge/portal/telemetry/span"
	"concierge/portal/told"
)

// Router sends consumers to deployments. The routing table implements it.
type Router interface {
	// Decide returns the deployment for a consumer, of the newest state. Errors: portal.ErrNotFound, portal.NoEndpointError.
	Decide(ctx context.Context, c portal.Consumer, api, version string, env portal.Environment) (Decided, error)
}

// Decided is where a consumer is sent.
type Decided struct {
	Slug       string
	Deployment *portal.Deployment // immutable
}

// Gateways opens what serves the keys.
type Gateways interface {
	// Issuer returns the gateway's key side and its capabilities as last probed. portal.ErrUnsupported where it has none.
	Issuer(ctx context.Context, id portal.GatewayID) (connectors.Issuer, connectors.Capabilities, error)
	// AcceptsReach reports whether an administrator has accepted that keys of the gateway open other APIs too.
	AcceptsReach(ctx context.Context, id portal.GatewayID) (bool, error)
	// Issuing lists the gateways that have an Issuer, for reconciliation.
	Issuing(ctx context.Context) ([]portal.GatewayID, error)
}

// Sealer encrypts what is kept and fingerprints what is not.
type Sealer interface {
	Seal(table, row, column string, plaintext []byte) ([]byte, error)
	Unseal(table, row, column string, sealed []byte) ([]byte, error)
	Fingerprint(purpose string, data []byte) string
}

// Options of a Service. Zero durations mean the defaults.
type Options struct {
	Policy Policy
	// CallTimeout bounds one call on a gateway; a lease lasts half as long again. Default 20 s.
	CallTimeout time.Duration
	// Reconcile is how often a gateway's marks are compared with what is known. Default 10 min.
	Reconcile time.Duration
	Now       func() time.Time
	Log       *slog.Logger
	Tracer    span.Tracer // zero: nothing is traced
}

const (
	defaultCallTimeout = 20 * time.Second
	defaultReconcile   = 10 * time.Minute
	// MaxOverlap is the longest that a consumer may ask for.
	MaxOverlap = 30 * 24 * time.Hour
)

// Service is the key ring of everybody. It is safe for concurrent use, also by several replicas on one database.
type Service struct {
	db       DB
	router   Router
	gateways Gateways
	sealer   Sealer
	opts     Options
}

// NewService returns a key ring. Jobs call its Sweep every SweepEvery, its Act where the transactions ask for it, and its
// ReconcileAll and Reconcile.
func NewService(db DB, router Router, gateways Gateways, sealer Sealer, o Options) *Service {
	if o.CallTimeout == 0 {
		o.CallTimeout = defaultCallTimeout
	}
	if o.Reconcile == 0 {
		o.Reconcile = defaultReconcile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{db: db, router: router, gateways: gateways, sealer: sealer, opts: o}
}

func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

func (s *Service) lease() time.Duration { return s.opts.CallTimeout * 3 / 2 }

// CreateApplication makes an application for the caller's organisation.
func (s *Service) CreateApplication(ctx context.Context, c access.Caller, name string) (Application, error) {
	name = strings.TrimSpace(name)
	switch {
	case !access.MayChangeApplications(c, c.Organisation):
		return Application{}, fmt.Errorf("your role may not create applications; ask an administrator of your organisation: %w", portal.ErrDenied)
	case name == "" || len(name) > 100:
		return Application{}, told.ApplicationName.As(portal.ErrInvalid)
	}
	a := Application{
		ID: portal.ApplicationID(portal.NewID("app")), Organisation: c.Organisation, Name: name, CreatedBy: c.Person, Created: s.now(),
	}
	err := s.db.InTx(ctx, func(tx Tx) error {
		if err := tx.Keys().AddApplication(ctx, a); err != nil {
			return err
		}
		tx.Changed(store.ChangedApplication, string(a.ID))
		return tx.Audit().Append(ctx, audit.Event{
			At: a.Created, Actor: string(c.Person), Action: "application.create", Target: string(a.ID), Organisation: a.Organisation,
			Detail: map[string]string{"name": a.Name},
		})
	})
	return a, err
}

// Applications lists those of the caller's organisation, newest first.
func (s *Service) Applications(ctx context.Context, c access.Caller, p Page) (found []Application, err error) {
	if !access.MayUseApplications(c, c.Organisation) {
		return nil, nil
	}
	err = s.db.View(ctx, func(tx Tx) error {
		found, err = tx.Keys().Applications(ctx, c.Organisation, p)
		return err
	})
	return found, err
}

// Application returns one that the caller may use.
func (s *Service) Application(ctx context.Context, c access.Caller, id portal.ApplicationID) (a Application, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		a, err = application(ctx, tx, c, id, access.MayUseApplications)
		return err
	})
	return a, err
}

// application loads an application for a caller who may do what is asked; everything else is not found.
func application(ctx context.Context, tx Tx, c access.Caller, id portal.ApplicationID, may func(access.Caller, portal.OrganisationID) bool) (Application, error) {
	a, err := tx.Keys().Application(ctx, id)
	if err != nil {
		return Application{}, err
	}
	if !may(c, a.Organisation) {
		return Application{}, hiddenOr(access.MayUseApplications(c, a.Organisation), "application", string(id))
	}
	return a, nil
}

// hiddenOr says that a thing is not there, or, to who may see it, that it may not be changed.
func hiddenOr(visible bool, noun, id string) error {
	if visible {
		return fmt.Errorf("your role may look at %s %s but not change it: %w", noun, id, portal.ErrDenied)
	}
	return fmt.Errorf("%s %s: %w", noun, id, portal.ErrNotFound)
}

// SubscribeRequest asks for the right to a credential. An empty version means the newest line, an empty plan the first.
type SubscribeRequest struct {
	Application portal.ApplicationID
	API         string // slug or id
	Version     string
	Environment portal.Environment
	Plan        string
}

// automatic is who decides where nobody has to.
const automatic = "system:automatic"

// Subscribe requests a subscription; it is approved at once where the policy says so. portal.ConflictError names the
// one that the application has already.
func (s *Service) Subscribe(ctx context.Context, c access.Caller, req SubscribeRequest) (Subscription, error) {
	decided, err := s.router.Decide(ctx, c.Consumer(req.Application), req.API, req.Version, req.Environment)
	if err != nil {
		return Subscription{}, err
	}
	d := decided.Deployment
	plan, err := choosePlan(d, req.Plan)
	if err != nil {
		return Subscription{}, err
	}
	if d.IssueRefused != "" {
		// Why is for administrators: it may name other APIs.
		return Subscription{}, told.NoKeyHere.As(portal.ErrUnsupported, decided.Slug)
	}
	sub := Subscription{
		ID: portal.SubscriptionID(portal.NewID("sub")), Application: req.Application, Organisation: c.Organisation,
		API: d.API, Line: d.Line, Environment: d.Placement.Environment(), Plan: plan.ID, State: Requested,
		Deployment: d.ID, Division: d.Placement.Division(), RequestedBy: c.Person, Created: s.now(),
	}
	if s.opts.Policy.Approval(decided.Slug, d, plan) == portal.Automatic {
		sub.State, sub.DecidedBy, sub.Decided = Approved, automatic, sub.Created
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if _, err := application(ctx, tx, c, req.Application, access.MayChangeApplications); err != nil {
			return err
		}
		if open, err := tx.Keys().OpenSubscription(ctx, sub.Application, sub.API, sub.Line, sub.Environment); err == nil {
			return &portal.ConflictError{Kind: "subscription", ID: string(open.ID), Err: told.HasSubscription.With()}
		} else if !errors.Is(err, portal.ErrNotFound) {
			return err
		}
		if err := tx.Keys().AddSubscription(ctx, sub); err != nil {
			return err
		}
		return s.event(ctx, tx, string(c.Person), "subscription.request", sub, map[string]string{"state": string(sub.State), "plan": sub.Plan})
	})
	if err != nil {
		return Subscription{}, err
	}
	return sub, nil
}

func choosePlan(d *portal.Deployment, id string) (portal.Plan, error) {
	for _, p := range d.Plans {
		if id == "" || p.ID == id {
			return p, nil
		}
	}
	known := make([]string, len(d.Plans))
	for i, p := range d.Plans {
		known[i] = p.ID
	}
	return portal.Plan{}, told.NoPlan.As(portal.ErrInvalid, id, strings.Join(known, ", "))
}

func (s *Service) event(ctx context.Context, tx Tx, actor, action string, sub Subscription, detail map[string]string) error {
	return tx.Audit().Append(ctx, audit.Event{
		At: s.now(), Actor: actor, Action: action, Target: string(sub.ID), Organisation: sub.Organisation, Detail: detail,
	})
}

// Subscription returns one that the caller may see: as a member of its organisation, or as somebody who decides.
func (s *Service) Subscription(ctx context.Context, c access.Caller, id portal.SubscriptionID) (sub Subscription, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		sub, err = subscription(ctx, tx, c, id)
		return err
	})
	return sub, err
}

func subscription(ctx context.Context, tx Tx, c access.Caller, id portal.SubscriptionID) (Subscription, error) {
	sub, err := tx.Keys().Subscription(ctx, id)
	if err != nil {
		return Subscription{}, err
	}
	if !access.MayUseApplications(c, sub.Organisation) && !access.MayGovern(c, sub.Division) {
		return Subscription{}, fmt.Errorf("subscription %s: %w", id, portal.ErrNotFound)
	}
	return sub, nil
}

// Subscriptions lists those of the caller's organisation, newest first.
func (s *Service) Subscriptions(ctx context.Context, c access.Caller, app portal.ApplicationID, state SubscriptionState, p Page) (found []Subscription, err error) {
	if !access.MayUseApplications(c, c.Organisation) {
		return nil, nil
	}
	err = s.db.View(ctx, func(tx Tx) error {
		found, err = tx.Keys().Subscriptions(ctx, SubscriptionFilter{Organisation: c.Organisation, Application: app, State: state}, p)
		return err
	})
	return found, err
}

// ToDecide lists the requests that the caller may see as an approver, newest first. Their own are among them, but not
// theirs to decide.
func (s *Service) ToDecide(ctx context.Context, c access.Caller, p Page) (found []Subscription, err error) {
	f := SubscriptionFilter{State: Requested}
	if !c.Has(access.PlatformAdministrator) {
		if !access.MayGovern(c, c.Division) {
			return nil, nil
		}
		f.Division = &c.Division
	}
	err = s.db.View(ctx, func(tx Tx) error {
		found, err = tx.Keys().Subscriptions(ctx, f, p)
		return err
	})
	return found, err
}

// Decide approves or rejects a request. Nobody decides their own. What a rejected one still holds from before it was asked
// again is revoked.
func (s *Service) Decide(ctx context.Context, c access.Caller, id portal.SubscriptionID, approve bool, reason string) (sub Subscription, err error) {
	var revoking []Act
	to, action := Rejected, "subscription.reject"
	if approve {
		to, action = Approved, "subscription.approve"
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		sub, err = subscription(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if !access.MayDecide(c, sub.Division, sub.RequestedBy) {
			return fmt.Errorf("somebody else who is responsible for this API has to decide this request: %w", portal.ErrDenied)
		}
		if sub.State != Requested {
			return &portal.ConflictError{Kind: "subscription", ID: string(id), Err: told.SubscriptionDecided.With(sub.State)}
		}
		sub.State, sub.DecidedBy, sub.Decided, sub.Reason = to, string(c.Person), s.now(), strings.TrimSpace(reason)
		if err := tx.Keys().UpdateSubscription(ctx, sub, Requested); err != nil {
			return err
		}
		if !approve {
			if revoking, err = s.revokeHeld(ctx, tx, c, id, "the subscription was rejected"); err != nil {
				return err
			}
			if err := unfreeze(ctx, tx, &sub); err != nil {
				return err
			}
		}
		return s.event(ctx, tx, string(c.Person), action, sub, map[string]string{"reason": sub.Reason})
	})
	if err != nil {
		return Subscription{}, err
	}
	s.finishRevokes(ctx, revoking)
	return sub, nil
}

// Cancel ends a subscription and revokes what it holds. Cancelling again changes nothing.
func (s *Service) Cancel(ctx context.Context, c access.Caller, id portal.SubscriptionID) (sub Subscription, err error) {
	var revoking []Act
	err = s.db.InTx(ctx, func(tx Tx) error {
		sub, err = subscription(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if !access.MayChangeApplications(c, sub.Organisation) && !access.MayGovern(c, sub.Division) {
			return hiddenOr(true, "subscription", string(id))
		}
		if sub.State == Rejected || sub.State == Cancelled {
			return nil
		}
		if revoking, err = s.revokeHeld(ctx, tx, c, id, "the subscription was cancelled"); err != nil {
			return err
		}
		if err := unfreeze(ctx, tx, &sub); err != nil {
			return err
		}
		from := sub.State
		sub.State, sub.DecidedBy, sub.Decided = Cancelled, string(c.Person), s.now()
		if err := tx.Keys().UpdateSubscription(ctx, sub, from); err != nil {
			return err
		}
		return s.event(ctx, tx, string(c.Person), "subscription.cancel", sub, nil)
	})
	if err != nil {
		return Subscription{}, err
	}
	s.finishRevokes(ctx, revoking)
	return sub, nil
}

// revokeHeld starts the revocation of all that a subscription holds.
func (s *Service) revokeHeld(ctx context.Context, tx Tx, c access.Caller, id portal.SubscriptionID, because string) (revoking []Act, err error) {
	held, err := tx.Keys().Credentials(ctx, CredentialFilter{Subscription: id, Open: true}, Page{Limit: maxOpen})
	if err != nil {
		return nil, err
	}
	for _, cred := range held {
		if cred.State == Revoking {
			continue
		}
		act, err := s.startRevoking(ctx, tx, string(c.Person), &cred, because)
		if err != nil {
			return nil, err
		}
		revoking = append(revoking, act)
	}
	return revoking, nil
}

// maxOpen bounds the credentials of one subscription that are not final: three by unique index, the rest revoking.
const maxOpen = 1000

// Credentials lists those of the caller's organisation, newest first.
func (s *Service) Credentials(ctx context.Context, c access.Caller, f CredentialFilter, p Page) (found []Credential, err error) {
	if !access.MayUseApplications(c, c.Organisation) {
		return nil, nil
	}
	f.Organisation = c.Organisation
	err = s.db.View(ctx, func(tx Tx) error {
		found, err = tx.Keys().Credentials(ctx, f, p)
		return err
	})
	return found, err
}

// Credential returns one of the caller's organisation.
func (s *Service) Credential(ctx context.Context, c access.Caller, id portal.CredentialID) (cred Credential, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		cred, err = credential(ctx, tx, c, id, access.MayUseApplications)
		return err
	})
	return cred, err
}

func credential(ctx context.Context, tx Tx, c access.Caller, id portal.CredentialID, may func(access.Caller, portal.OrganisationID) bool) (Credential, error) {
	cred, err := tx.Keys().Credential(ctx, id)
	if err != nil {
		return Credential{}, err
	}
	if !may(c, cred.Organisation) {
		return Credential{}, hiddenOr(access.MayUseApplications(c, cred.Organisation), "credential", string(id))
	}
	return cred, nil
}

// Details returns the application and the subscription of a credential, for showing it.
func (s *Service) Details(ctx context.Context, cred Credential) (a Application, sub Subscription, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		if a, err = tx.Keys().Application(ctx, cred.Application); err != nil {
			return err
		}
		sub, err = tx.Keys().Subscription(ctx, cred.Subscription)
		return err
	})
	return a, sub, err
}

// ApplicationName names an application to whoever may see one of its subscriptions.
func (s *Service) ApplicationName(ctx context.Context, id portal.ApplicationID) (string, error) {
	var a Application
	err := s.db.View(ctx, func(tx Tx) (err error) {
		a, err = tx.Keys().Application(ctx, id)
		return err
	})
	return a.Name, err
}
