package client_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// stub is a desk that answers every call with a thing whose every field is set, or with err, and remembers the call.
type stub struct {
	mu    sync.Mutex
	err   error
	calls []string
}

var _ api.Desk = (*stub)(nil)

// taken returns what was asked since the last time, and forgets it.
func (s *stub) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *stub) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func answer[T any](s *stub, method string, args ...any) (t T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf("%s %+v", method, args))
	if s.err != nil {
		return t, s.err
	}
	fill(reflect.ValueOf(&t).Elem(), "value")
	return t, nil
}

// fill sets everything that v holds, each text to its own path.
func fill(v reflect.Value, path string) {
	switch at := v.Addr().Interface().(type) {
	case *portal.Secret:
		*at = portal.NewSecret("secret-" + path)
		return
	case *time.Time:
		*at = time.Date(2026, time.March, 4, 5, 6, 7, 891_000, time.UTC)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(42)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint8:
		v.SetUint('x')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), fmt.Sprint(path, "-", i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, path+"-key")
		fill(value, path+"-value")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"-"+strings.ToLower(v.Type().Field(i).Name))
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

func (s *stub) Me(context.Context) (api.Me, error) { return answer[api.Me](s, "Me") }
func (s *stub) Environments(context.Context) ([]string, error) {
	return answer[[]string](s, "Environments")
}
func (s *stub) APIs(_ context.Context, q api.APIsQuery) (api.APIList, error) {
	return answer[api.APIList](s, "APIs", q)
}
func (s *stub) SuggestAPIs(_ context.Context, typed string) ([]api.Suggestion, error) {
	return answer[[]api.Suggestion](s, "SuggestAPIs", typed)
}
func (s *stub) API(_ context.Context, id string) (api.API, error) {
	return answer[api.API](s, "API", id)
}
func (s *stub) Spec(_ context.Context, q api.SpecQuery) (api.Document, error) {
	d, err := answer[api.Document](s, "Spec", q)
	d.API, d.Version, d.EndOfLife = "", "", api.EndOfLife{} // told in headers only
	return d, err
}
func (s *stub) Resolve(_ context.Context, q api.ResolveQuery) (api.Decision, error) {
	return answer[api.Decision](s, "Resolve", q)
}
func (s *stub) Applications(_ context.Context, p api.Paging) (api.Page[api.Application], error) {
	return answer[api.Page[api.Application]](s, "Applications", p)
}
func (s *stub) Application(_ context.Context, id string) (api.Application, error) {
	return answer[api.Application](s, "Application", id)
}
func (s *stub) CreateApplication(_ context.Context, n api.NewApplication) (api.Application, error) {
	return answer[api.Application](s, "CreateApplication", n)
}
func (s *stub) Subscriptions(_ context.Context, q api.SubscriptionsQuery) (api.Page[api.Subscription], error) {
	return answer[api.Page[api.Subscription]](s, "Subscriptions", q)
}
func (s *stub) Subscription(_ context.Context, id string) (api.Subscription, error) {
	return answer[api.Subscription](s, "Subscription", id)
}
func (s *stub) Subscribe(_ context.Context, n api.NewSubscription) (api.Subscription, error) {
	return answer[api.Subscription](s, "Subscribe", n)
}
func (s *stub) Cancel(_ context.Context, id string) (api.Subscription, error) {
	return answer[api.Subscription](s, "Cancel", id)
}
func (s *stub) Approve(_ context.Context, id, reason string) (api.Subscription, error) {
	return answer[api.Subscription](s, "Approve", id, reason)
}
func (s *stub) Reject(_ context.Context, id, reason string) (api.Subscription, error) {
	return answer[api.Subscription](s, "Reject", id, reason)
}
func (s *stub) Claim(_ context.Context, id string) (api.Claim, error) {
	return answer[api.Claim](s, "Claim", id)
}
func (s *stub) Credentials(_ context.Context, q api.CredentialsQuery) (api.Page[api.Credential], error) {
	return answer[api.Page[api.Credential]](s, "Credentials", q)
}
func (s *stub) Credential(_ context.Context, id string) (api.Credential, error) {
	return answer[api.Credential](s, "Credential", id)
}
func (s *stub) Rotate(_ context.Context, id string, overlap time.Duration) (api.Claim, error) {
	return answer[api.Claim](s, "Rotate", id, overlap)
}
func (s *stub) Revoke(_ context.Context, id string) (api.Credential, error) {
	return answer[api.Credential](s, "Revoke", id)
}
func (s *stub) GatewayKinds(context.Context) ([]api.GatewayKind, error) {
	return answer[[]api.GatewayKind](s, "GatewayKinds")
}
func (s *stub) Gateways(_ context.Context, p api.Paging) (api.Page[api.Gateway], error) {
	return answer[api.Page[api.Gateway]](s, "Gateways", p)
}
func (s *stub) Gateway(_ context.Context, id string) (api.Gateway, error) {
	return answer[api.Gateway](s, "Gateway", id)
}
func (s *stub) CreateGateway(_ context.Context, n api.NewGateway) (api.Gateway, error) {
	bounds := n.Bounds
	n.Bounds = nil // told by value: an address says nothing
	return answer[api.Gateway](s, "CreateGateway", n, *bounds)
}
func (s *stub) ChangeGateway(_ context.Context, id string, n api.NewGateway) (api.Gateway, error) {
	bounds := n.Bounds
	n.Bounds = nil
	return answer[api.Gateway](s, "ChangeGateway", id, n, *bounds)
}
func (s *stub) OwnDocuments(_ context.Context, id string) ([]api.DeploymentDocument, error) {
	return answer[[]api.DeploymentDocument](s, "OwnDocuments", id)
}

func (s *stub) GatewayDocuments(_ context.Context, gateway string, p api.Paging) (api.Page[api.DeploymentDocument], error) {
	return answer[api.Page[api.DeploymentDocument]](s, "GatewayDocuments", gateway, p)
}
func (s *stub) DeploymentDocument(_ context.Context, id string) (api.DeploymentDocument, error) {
	return answer[api.DeploymentDocument](s, "DeploymentDocument", id)
}
func (s *stub) OriginalDocument(_ context.Context, id string) (api.Document, error) {
	d, err := answer[api.Document](s, "OriginalDocument", id)
	return api.Document{Content: d.Content, ContentType: d.ContentType, ETag: d.ETag}, err
}
func (s *stub) UploadDocument(_ context.Context, id string, content []byte) (api.DeploymentDocument, error) {
	return answer[api.DeploymentDocument](s, "UploadDocument", id, string(content))
}
func (s *stub) RemoveDocument(_ context.Context, id string) (api.DeploymentDocument, error) {
	return answer[api.DeploymentDocument](s, "RemoveDocument", id)
}
func (s *stub) Sync(_ context.Context, id string) (api.Run, error) {
	return answer[api.Run](s, "Sync", id)
}
func (s *stub) Runs(_ context.Context, id string, p api.Paging) (api.Page[api.Run], error) {
	return answer[api.Page[api.Run]](s, "Runs", id, p)
}
func (s *stub) Run(_ context.Context, gateway, id string) (api.Run, error) {
	return answer[api.Run](s, "Run", gateway, id)
}
func (s *stub) PlanSync(_ context.Context, id string) (api.Run, error) {
	return answer[api.Run](s, "PlanSync", id)
}
func (s *stub) ApplyRun(_ context.Context, gateway, id string) (api.Run, error) {
	return answer[api.Run](s, "ApplyRun", gateway, id)
}
func (s *stub) DiscardRun(_ context.Context, gateway, id string) (api.Run, error) {
	return answer[api.Run](s, "DiscardRun", gateway, id)
}
func (s *stub) Organisations(_ context.Context, p api.Paging) (api.Page[api.Organisation], error) {
	return answer[api.Page[api.Organisation]](s, "Organisations", p)
}
func (s *stub) Organisation(_ context.Context, id string) (api.Organisation, error) {
	return answer[api.Organisation](s, "Organisation", id)
}
func (s *stub) CreateOrganisation(_ context.Context, n api.NewOrganisation) (api.Organisation, error) {
	return answer[api.Organisation](s, "CreateOrganisation", n)
}
func (s *stub) SetOrganisationDisabled(_ context.Context, id string, disabled bool) (api.Organisation, error) {
	return answer[api.Organisation](s, "SetOrganisationDisabled", id, disabled)
}
func (s *stub) People(_ context.Context, p api.Paging) (api.Page[api.Person], error) {
	return answer[api.Page[api.Person]](s, "People", p)
}
func (s *stub) Person(_ context.Context, id string) (api.Person, error) {
	return answer[api.Person](s, "Person", id)
}
func (s *stub) Invite(_ context.Context, n api.NewPerson) (api.Invitation, error) {
	return answer[api.Invitation](s, "Invite", n)
}
func (s *stub) Reinvite(_ context.Context, id string) (api.Invitation, error) {
	return answer[api.Invitation](s, "Reinvite", id)
}
func (s *stub) ChangePerson(_ context.Context, id string, c api.PersonChange) (api.Person, error) {
	return answer[api.Person](s, "ChangePerson", id, *c.Disabled, *c.Roles)
}
func (s *stub) Tokens(context.Context) ([]api.Token, error) { return answer[[]api.Token](s, "Tokens") }
func (s *stub) Token(_ context.Context, id string) (api.Token, error) {
	return answer[api.Token](s, "Token", id)
}
func (s *stub) CreateToken(_ context.Context, n api.NewToken) (api.CreatedToken, error) {
	return answer[api.CreatedToken](s, "CreateToken", n)
}
func (s *stub) RevokeToken(_ context.Context, id string) error {
	_, err := answer[struct{}](s, "RevokeToken", id)
	return err
}
func (s *stub) Jobs(_ context.Context, q api.JobsQuery) (api.Page[api.Job], error) {
	return answer[api.Page[api.Job]](s, "Jobs", q)
}
func (s *stub) Job(_ context.Context, id string) (api.Job, error) {
	return answer[api.Job](s, "Job", id)
}
func (s *stub) RunJob(_ context.Context, id string) (api.Job, error) {
	return answer[api.Job](s, "RunJob", id)
}
func (s *stub) Sites(context.Context) ([]api.Site, error) { return answer[[]api.Site](s, "Sites") }
func (s *stub) Site(_ context.Context, name string) (api.Site, error) {
	return answer[api.Site](s, "Site", name)
}
func (s *stub) CreateEnrolment(_ context.Context, site string) (api.CreatedEnrolment, error) {
	return answer[api.CreatedEnrolment](s, "CreateEnrolment", site)
}
func (s *stub) RevokeEnrolment(_ context.Context, id string) error {
	_, err := answer[struct{}](s, "RevokeEnrolment", id)
	return err
}
func (s *stub) RevokeWorker(_ context.Context, id string) (api.Worker, error) {
	return answer[api.Worker](s, "RevokeWorker", id)
}

func (s *stub) Leaving(context.Context) ([]api.Leaving, error) {
	return answer[[]api.Leaving](s, "Leaving")
}
func (s *stub) VersionLifecycle(_ context.Context, id, version string) (api.VersionLifecycle, error) {
	return answer[api.VersionLifecycle](s, "VersionLifecycle", id, version)
}
func (s *stub) SetVersionLifecycle(_ context.Context, id, version string, n api.NewLifecycle) (api.VersionLifecycle, error) {
	at := []time.Time{*n.Deprecation, *n.Sunset}
	n.Deprecation, n.Sunset = nil, nil // told by value: an address says nothing
	return answer[api.VersionLifecycle](s, "SetVersionLifecycle", id, version, n, at)
}
func (s *stub) Guide(_ context.Context, id, guide string) (api.GuidePage, error) {
	return answer[api.GuidePage](s, "Guide", id, guide)
}
func (s *stub) Texts(_ context.Context, id string, revision int64, from string) (api.Texts, error) {
	return answer[api.Texts](s, "Texts", id, revision, from)
}
func (s *stub) SaveTexts(_ context.Context, id string, n api.NewTexts) (api.Texts, error) {
	return answer[api.Texts](s, "SaveTexts", id, n)
}
func (s *stub) PreviewTexts(_ context.Context, id, audience string, n api.NewTexts) (api.Curated, error) {
	return answer[api.Curated](s, "PreviewTexts", id, audience, n)
}
func (s *stub) TextsHistory(_ context.Context, id string) ([]api.TextsRevision, error) {
	return answer[[]api.TextsRevision](s, "TextsHistory", id)
}
func (s *stub) AssignTeam(_ context.Context, id, team string) (api.Texts, error) {
	return answer[api.Texts](s, "AssignTeam", id, team)
}
func (s *stub) Teams(context.Context) ([]api.Team, error) { return answer[[]api.Team](s, "Teams") }
func (s *stub) Team(_ context.Context, id string) (api.Team, error) {
	return answer[api.Team](s, "Team", id)
}
func (s *stub) CreateTeam(_ context.Context, n api.NewTeam) (api.Team, error) {
	return answer[api.Team](s, "CreateTeam", n)
}
func (s *stub) SetTeamMember(_ context.Context, team, person string, member bool) (api.Team, error) {
	return answer[api.Team](s, "SetTeamMember", team, person, member)
}
func (s *stub) Difference(_ context.Context, q api.DifferenceQuery) (api.Difference, error) {
	return answer[api.Difference](s, "Difference", q)
}
func (s *stub) Consumers(_ context.Context, q api.ConsumersQuery) (api.Page[api.Consumed], error) {
	return answer[api.Page[api.Consumed]](s, "Consumers", q)
}

func (s *stub) Reviews(_ context.Context, q api.ReviewsQuery) (api.ReviewList, error) {
	return answer[api.ReviewList](s, "Reviews", q)
}

func (s *stub) Review(_ context.Context, id string) (api.Review, error) {
	return answer[api.Review](s, "Review", id)
}

func (s *stub) AcceptReview(_ context.Context, id string) (api.Review, error) {
	return answer[api.Review](s, "AcceptReview", id)
}

func (s *stub) RejectReview(_ context.Context, id string) (api.Review, error) {
	return answer[api.Review](s, "RejectReview", id)
}

func (s *stub) ReopenReview(_ context.Context, id string) (api.Review, error) {
	return answer[api.Review](s, "ReopenReview", id)
}

func (s *stub) Composition(_ context.Context, name string) (api.Composition, error) {
	return answer[api.Composition](s, "Composition", name)
}

func (s *stub) SplitAPI(_ context.Context, name string, c api.Chosen) (api.Composition, error) {
	return answer[api.Composition](s, "SplitAPI", name, c)
}

func (s *stub) JoinAPI(_ context.Context, name string, t api.Target) (api.Composition, error) {
	return answer[api.Composition](s, "JoinAPI", name, t)
}

func (s *stub) ConfirmAPI(_ context.Context, name string, c api.Chosen) (api.Composition, error) {
	return answer[api.Composition](s, "ConfirmAPI", name, c)
}

func (s *stub) UndoEntryAct(_ context.Context, name, act string) (api.Composition, error) {
	return answer[api.Composition](s, "UndoEntryAct", name, act)
}

func (s *stub) GatewayRules(_ context.Context, gateway string) (api.GatewayRules, error) {
	return answer[api.GatewayRules](s, "GatewayRules", gateway)
}

func (s *stub) PreviewRules(_ context.Context, gateway string, d api.RulesDraft) (api.RulesPreview, error) {
	return answer[api.RulesPreview](s, "PreviewRules", gateway, d)
}

func (s *stub) SetRules(_ context.Context, gateway string, c api.RulesChange) (api.GatewayRules, error) {
	return answer[api.GatewayRules](s, "SetRules", gateway, c)
}

func (s *stub) Deployments(_ context.Context, q api.DeploymentsQuery) (api.Page[api.PlacedDeployment], error) {
	return answer[api.Page[api.PlacedDeployment]](s, "Deployments", q)
}

func (s *stub) Deployment(_ context.Context, id string) (api.PlacedDeployment, error) {
	return answer[api.PlacedDeployment](s, "Deployment", id)
}

func (s *stub) OverrideDeployment(_ context.Context, id string, o api.Override) (api.PlacedDeployment, error) {
	return answer[api.PlacedDeployment](s, "OverrideDeployment", id, o)
}

func (s *stub) Thaw(_ context.Context, id, reason string) (api.Subscription, error) {
	return answer[api.Subscription](s, "Thaw", id, reason)
}
func (s *stub) RenameTeam(_ context.Context, id string, c api.TeamChange) (api.Team, error) {
	return answer[api.Team](s, "RenameTeam", id, c)
}
func (s *stub) DeleteTeam(_ context.Context, id string) error {
	_, err := answer[struct{}](s, "DeleteTeam", id)
	return err
}
