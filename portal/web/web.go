package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"concierge/frontend"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/people"
	"concierge/portal/web/ui"

	"github.com/gorilla/sessions"
)

// Options are what the pages are built on. Desk and Markdown are needed; Accounts and Sessions too, except in the
// desktop window.
type Options struct {
	// Router takes the pages; nil means one of their own.
	Router *Router

	// Desk returns the service as the person, acting for one of their organisations. portal.ErrDenied: they may not use
	// it any more, and are signed out. In the desktop window both are empty: its own token says who asks.
	Desk func(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (api.Desk, error)

	Accounts Accounts // *people.Service
	Sessions Sessions

	// Markdown makes HTML out of text from outside. What it returns is written into pages as it is.
	Markdown func(string) string

	// Secure says that people come by https: cookies are sent there only, under a __Host- name.
	Secure bool

	// BaseURL is how people reach the portal, such as "https://apis.example.com", for links that are passed on. Empty:
	// as the request says.
	BaseURL string

	// Desktop says that the pages are shown in the desktop window. There is no door then, and no page ever holds a
	// secret: claiming and rotating are bound methods, and what else is shown once is left to the browser.
	Desktop bool

	// Around is put around the router, inside what gives a request its id; it sees the status of every answer. Nil: nothing.
	Around func(http.Handler) http.Handler

	// Proxies are the addresses whose X-Forwarded-For, X-Request-Id and traceparent are believed. Nobody else's are.
	Proxies []netip.Prefix

	Log *slog.Logger // nil discards; see LogHandler
}

// Accounts are the people who can sign in here. *people.Service has them.
type Accounts interface {
	// SignIn: portal.ErrDenied for every reason; portal.RetryAfterError after too many attempts from the address.
	SignIn(ctx context.Context, email string, password portal.Secret, from netip.Addr) (access.Caller, error)

	// LookUpLink says whom a one-time link is for: a person, or the zero Person for the first administrator.
	// portal.ErrNotFound where it does not work any more.
	LookUpLink(ctx context.Context, token portal.Secret) (people.Person, error)

	// AcceptInvitation uses the link up. portal.ErrNotFound as LookUpLink; portal.ErrInvalid says in words what is wrong.
	AcceptInvitation(ctx context.Context, token portal.Secret, name string, password portal.Secret) (access.Caller, error)

	// SetUp uses the first administrator's link up. Errors as AcceptInvitation.
	SetUp(ctx context.Context, token portal.Secret, n people.Setup) (access.Caller, error)
}

// Sessions keeps who is signed in. The pages say under which name and with which cookie options.
type Sessions interface {
	sessions.Store
	// Renew gives the session a new id and no values, and forgets the old one at once. Save writes the cookie.
	Renew(r *http.Request, w http.ResponseWriter, s *sessions.Session) error
}

// New registers the pages and answers a handler for the router's routes, all of them: it gives each request an id, sets
// the headers that every answer needs, and turns a panic into an error page.
func New(o Options) (http.Handler, error) {
	var problems []error
	if o.Desk == nil || o.Markdown == nil {
		problems = append(problems, errors.New("the pages need a desk and a markdown renderer"))
	}
	if !o.Desktop && (o.Accounts == nil || o.Sessions == nil) {
		problems = append(problems, errors.New("the pages of the hosted portal need accounts and sessions"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if o.Router == nil {
		o.Router = NewRouter()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &site{Options: o, door: door{sessions: o.Sessions, secure: o.Secure}}
	s.register()
	return s.outermost(o.Router), nil
}

type site struct {
	Options
	door door
}

func (s *site) register() {
	s.Router.Handle(Route{Method: "GET", Pattern: frontend.Prefix, Surface: SurfaceAsset, Access: AccessAnonymous}, frontend.Handler())

	open := func(method, pattern string, h func(*visit) error) {
		s.Router.Handle(Route{
			Method: method, Pattern: pattern, Surface: SurfacePage, Access: AccessAnonymous, Mutates: method == "POST",
		}, s.page(h, false))
	}
	signedIn := func(method, pattern string, access Access, h func(*visit) error) {
		s.Router.Handle(Route{
			Method: method, Pattern: pattern, Surface: SurfacePage, Access: access, Mutates: method == "POST",
		}, s.page(h, true))
	}
	mine := func(method, pattern string, h func(*visit) error) { signedIn(method, pattern, AccessSignedIn, h) }
	admin := func(method, pattern string, h func(*visit) error) { signedIn(method, pattern, AccessAdministrator, h) }

	open("POST", ui.PreferencesPath, s.setPreferences)
	if !s.Desktop {
		open("GET", ui.SignInPath, s.showSignIn)
		open("POST", ui.SignInPath, s.signIn)
		open("POST", ui.SignOutPath, s.signOut)
		open("GET", api.InvitationPath+"{token}", s.showInvitation)
		open("POST", api.InvitationPath+"{token}", s.acceptInvitation)
	}

	mine("GET", "/{$}", s.home)
	mine("GET", ui.APIsPath, s.catalog)
	mine("GET", ui.SuggestPath, s.suggest)
	mine("GET", ui.APIsPath+"/{api}", s.showAPI)
	mine("GET", ui.APIsPath+"/{api}/operations", s.operations)
	mine("GET", ui.APIsPath+"/{api}/document", s.document)
	mine("GET", ui.APIsPath+"/{api}/endpoints", s.endpoints)
	mine("GET", ui.APIsPath+"/{api}/reference", s.reference)
	mine("GET", ui.APIsPath+"/{api}/changes", s.changes)
	mine("GET", ui.APIsPath+"/{api}/consumers", s.consumers)
	mine("GET", ui.APIsPath+"/{api}/consumers/list", s.consumersList)

	mine("GET", ui.APIsPath+"/{api}/guides/{guide}", s.guide)
	mine("GET", ui.APIsPath+"/{api}/texts", s.texts)
	mine("POST", ui.APIsPath+"/{api}/texts", s.saveTexts)
	mine("GET", ui.APIsPath+"/{api}/texts/history", s.textsHistory)
	mine("POST", ui.APIsPath+"/{api}/team", s.assignTeam)
	mine("GET", ui.APIsPath+"/{api}/documents", s.ownDocuments)
	mine("GET", ui.APIsPath+"/{api}/lifecycle", s.lifecycle)
	mine("POST", ui.APIsPath+"/{api}/lifecycle", s.decideLifecycle)

	mine("GET", ui.TeamsPath, s.teams)
	mine("GET", ui.NewTeamPath, s.newTeam)
	mine("POST", ui.TeamsPath, s.createTeam)
	mine("GET", ui.TeamsPath+"/{team}", s.team)
	mine("POST", ui.TeamsPath+"/{team}/members", s.setTeamMember)
	mine("POST", ui.TeamsPath+"/{team}/name", s.renameTeam)
	mine("GET", ui.TeamsPath+"/{team}/delete", s.askDeleteTeam)
	mine("POST", ui.TeamsPath+"/{team}/delete", s.deleteTeam)

	mine("GET", ui.ApplicationsPath, s.applications)
	mine("GET", ui.NewApplicationPath, s.newApplication)
	mine("POST", ui.ApplicationsPath, s.createApplication)
	mine("GET", ui.ApplicationsPath+"/{application}", s.application)

	mine("GET", ui.SubscriptionsPath, s.subscriptions)
	mine("POST", ui.SubscriptionsPath, s.subscribe)
	mine("GET", ui.SubscriptionsPath+"/{subscription}", s.subscription)
	mine("GET", ui.SubscriptionsPath+"/{subscription}/cancel", s.askCancel)
	mine("POST", ui.SubscriptionsPath+"/{subscription}/cancel", s.cancel)

	mine("GET", ui.KeysPath, s.keys)
	mine("GET", ui.KeysPath+"/{key}", s.key)
	mine("GET", ui.KeysPath+"/{key}/rotate", s.askRotate)
	mine("GET", ui.KeysPath+"/{key}/revoke", s.askRevoke)
	mine("POST", ui.KeysPath+"/{key}/revoke", s.revoke)
	if !s.Desktop { // what answers with a secret
		mine("POST", ui.SubscriptionsPath+"/{subscription}/claim", s.claim)
		mine("POST", ui.KeysPath+"/{key}/rotate", s.rotate)
		mine("POST", ui.TokensPath, s.createToken)
		admin("GET", ui.NewWorkerPath, s.newWorker)
		admin("POST", ui.SitesPath, s.enrol)
		admin("GET", ui.NewPersonPath, s.newPerson)
		admin("POST", ui.PeoplePath, s.invite)
		admin("POST", ui.PeoplePath+"/{person}/invite", s.reinvite)
	}

	mine("GET", ui.ApprovalsPath, s.approvals)
	mine("POST", ui.ApprovalsPath+"/{subscription}/approve", s.approve)
	mine("GET", ui.ApprovalsPath+"/{subscription}/reject", s.askReject)
	mine("POST", ui.ApprovalsPath+"/{subscription}/reject", s.reject)

	admin("GET", ui.ReviewsPath, s.reviews)
	admin("GET", ui.RenamesPath, s.renames)
	admin("POST", ui.RenamesPath, s.acceptRenames)
	admin("GET", ui.ReviewsPath+"/{review}", s.review)
	admin("GET", ui.ReviewsPath+"/{review}/accept", s.askAccept)
	admin("POST", ui.ReviewsPath+"/{review}/accept", s.acceptReview)
	admin("GET", ui.ReviewsPath+"/{review}/reject", s.askRefuse)
	admin("POST", ui.ReviewsPath+"/{review}/reject", s.rejectReview)
	admin("GET", ui.ReviewsPath+"/{review}/reopen", s.askReopen)
	admin("POST", ui.ReviewsPath+"/{review}/reopen", s.reopenReview)
	admin("GET", ui.APIsPath+"/{api}/composition", s.composition)
	admin("GET", ui.APIsPath+"/{api}/split", s.askSplit)
	admin("POST", ui.APIsPath+"/{api}/split", s.split)
	admin("POST", ui.APIsPath+"/{api}/confirm", s.confirmJoins)
	admin("GET", ui.APIsPath+"/{api}/join", s.askJoin)
	admin("POST", ui.APIsPath+"/{api}/join", s.join)
	admin("GET", ui.APIsPath+"/{api}/acts/{act}/undo", s.askUndo)
	admin("POST", ui.APIsPath+"/{api}/acts/{act}/undo", s.undo)

	admin("GET", ui.GatewaysPath, s.gateways)
	admin("GET", ui.NewGatewayPath, s.newGateway)
	admin("POST", ui.GatewaysPath, s.createGateway)
	admin("GET", ui.GatewaysPath+"/{gateway}", s.gateway)
	admin("GET", ui.GatewaysPath+"/{gateway}/edit", s.editGateway)
	admin("POST", ui.GatewaysPath+"/{gateway}/edit", s.changeGateway)
	admin("POST", ui.GatewaysPath+"/{gateway}/sync", s.sync)
	admin("POST", ui.GatewaysPath+"/{gateway}/plan", s.planSync)
	admin("GET", ui.GatewaysPath+"/{gateway}/runs/{run}", s.run)
	admin("GET", ui.GatewaysPath+"/{gateway}/runs/{run}/apply", s.askApply)
	admin("POST", ui.GatewaysPath+"/{gateway}/runs/{run}/apply", s.applyRun)
	admin("GET", ui.GatewaysPath+"/{gateway}/runs/{run}/discard", s.askDiscard)
	admin("POST", ui.GatewaysPath+"/{gateway}/runs/{run}/discard", s.discardRun)
	admin("GET", ui.GatewaysPath+"/{gateway}/documents", s.gatewayDocuments)
	mine("GET", ui.DeploymentsPath+"/{deployment}/document", s.deploymentDocument)
	mine("POST", ui.DeploymentsPath+"/{deployment}/document", s.uploadDocument)
	mine("GET", ui.DeploymentsPath+"/{deployment}/document/content", s.originalDocument)
	mine("GET", ui.DeploymentsPath+"/{deployment}/document/remove", s.askRemoveDocument)
	mine("POST", ui.DeploymentsPath+"/{deployment}/document/remove", s.removeDocument)

	admin("GET", ui.GatewaysPath+"/{gateway}/placement", s.rules)
	admin("POST", ui.GatewaysPath+"/{gateway}/placement", s.setRules)
	admin("GET", ui.GatewaysPath+"/{gateway}/deployments", s.deployments)
	admin("GET", ui.UnclassifiedPath, s.unclassified)
	admin("GET", ui.DeploymentsPath+"/{deployment}", s.deployment)
	admin("POST", ui.DeploymentsPath+"/{deployment}/override", s.override)
	mine("GET", ui.FrozenPath, s.frozen)
	mine("GET", ui.FrozenPath+"/{subscription}/thaw", s.askThaw)
	mine("POST", ui.FrozenPath+"/{subscription}/thaw", s.thaw)

	admin("GET", ui.JobsPath, s.jobs)
	admin("GET", ui.JobsPath+"/{job}", s.job)
	admin("POST", ui.JobsPath+"/{job}/run", s.runJob)

	admin("GET", ui.SitesPath, s.sites)
	admin("GET", ui.SitesPath+"/{site}", s.site)
	admin("GET", ui.EnrolmentsPath+"/{enrolment}/revoke", s.askRevokeEnrolment)
	admin("POST", ui.EnrolmentsPath+"/{enrolment}/revoke", s.revokeEnrolment)
	admin("GET", ui.WorkersPath+"/{worker}/revoke", s.askRevokeWorker)
	admin("POST", ui.WorkersPath+"/{worker}/revoke", s.revokeWorker)

	admin("GET", ui.OrganisationsPath, s.organisations)
	admin("GET", ui.NewOrganisationPath, s.newOrganisation)
	admin("POST", ui.OrganisationsPath, s.createOrganisation)
	admin("GET", ui.OrganisationsPath+"/{organisation}/disable", s.askDisableOrganisation)
	admin("POST", ui.OrganisationsPath+"/{organisation}/disable", s.disableOrganisation)
	admin("POST", ui.OrganisationsPath+"/{organisation}/enable", s.enableOrganisation)

	admin("GET", ui.PeoplePath, s.people)
	admin("GET", ui.PeoplePath+"/{person}/roles", s.askRoles)
	admin("POST", ui.PeoplePath+"/{person}/roles", s.setRoles)
	admin("GET", ui.PeoplePath+"/{person}/disable", s.askDisablePerson)
	admin("POST", ui.PeoplePath+"/{person}/disable", s.disablePerson)
	admin("POST", ui.PeoplePath+"/{person}/enable", s.enablePerson)

	mine("GET", ui.AccountPath, s.account)
	mine("GET", ui.TokensPath+"/{token}/revoke", s.askRevokeToken)
	mine("POST", ui.TokensPath+"/{token}/revoke", s.revokeToken)

	s.Router.Handle(Route{Pattern: "/", Surface: SurfacePage, Access: AccessAnonymous}, s.page(func(*visit) error {
		return portal.ErrNotFound
	}, false))
}
