package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal/api"
)

// The inputs that operations share. Those that are embedded have exported names: huma fills no others.
type (
	Paging struct {
		Limit  int    `query:"limit" minimum:"0" maximum:"200" doc:"Items on a page; 50 where it is absent"`
		Cursor string `query:"cursor" doc:"next of the page before"`
	}
	Thing struct {
		ID string `path:"id"`
	}
	Once struct {
		Key string `header:"Idempotency-Key" maxLength:"200" doc:"Makes a repeated POST safe for 24 hours"`
	}
	OnceThing struct {
		Thing
		Once
	}
	bodyIn[T any] struct {
		Once
		Body T
	}
	out[T any] struct{ Body T }
	// secretOut is an answer that carries a secret, or may.
	secretOut[T any] struct {
		Status       int
		CacheControl string `header:"Cache-Control"`
		Body         T
	}
)

func (p Paging) paging() api.Paging { return api.Paging{Limit: p.Limit, Cursor: p.Cursor} }

func noStore[T any](status int, body T) *secretOut[T] {
	return &secretOut[T]{Status: status, CacheControl: "no-store", Body: body}
}

// read registers a GET.
func read[I, T any](s *server, path, id, summary string, do func(ctx context.Context, d api.Desk, in *I) (T, error)) {
	change(s, http.MethodGet, path, id, summary, do)
}

// change registers an operation that answers with one thing, by default the one that it changed.
func change[I, T any](s *server, method, path, id, summary string, do func(ctx context.Context, d api.Desk, in *I) (T, error)) {
	huma.Register(s.api, huma.Operation{OperationID: id, Method: method, Path: prefix + path, Summary: summary, MaxBodyBytes: maxBodyBytes},
		func(ctx context.Context, in *I) (*out[T], error) {
			t, err := do(ctx, callOf(ctx).desk, in)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return &out[T]{t}, nil
		})
}

// post describes a POST: do carries it out, of names what came of it, again fetches that for a repeated request. Where of
// names nothing yet, a repeated request is carried out anew.
type post[I, T any] struct {
	path, id, summary string
	status            int
	key               func(*I) string
	body              func(*I) any
	do                func(ctx context.Context, d api.Desk, in *I) (T, error)
	of                func(T) string
	again             func(ctx context.Context, d api.Desk, in *I, id string) (T, error)
	statusOf          func(T) int // where it is not always the same
}

func (p post[I, T]) register(s *server) {
	op := huma.Operation{OperationID: p.id, Method: http.MethodPost, Path: prefix + p.path, Summary: p.summary, DefaultStatus: p.status, MaxBodyBytes: maxBodyBytes}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*secretOut[T], error) {
		d := callOf(ctx).desk
		answer := func(t T) *secretOut[T] {
			status := p.status
			if p.statusOf != nil {
				status = p.statusOf(t)
			}
			return noStore(status, t)
		}
		o, err := once(ctx, s, p.key(in), p.body(in),
			func(ctx context.Context) (*secretOut[T], string, error) {
				t, err := p.do(ctx, d, in)
				if err != nil {
					return nil, "", err
				}
				return answer(t), p.of(t), nil
			},
			func(ctx context.Context, id string) (*secretOut[T], error) {
				t, err := p.again(ctx, d, in, id)
				if err != nil {
					return nil, err
				}
				return answer(t), nil
			})
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return o, nil
	})
}

func bodyKey[T any](in *bodyIn[T]) string { return in.Key }
func bodyOf[T any](in *bodyIn[T]) any     { return in.Body }

// The bodies of these two may be left out: huma takes a pointer for that.
type (
	reasonIn struct {
		OnceThing
		Body *DecisionBody
	}
	rotateIn struct {
		OnceThing
		Body *RotationBody
	}
)

// DecisionBody is what an approver says.
type DecisionBody struct {
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// RotationBody says how to rotate.
type RotationBody struct {
	Overlap string `json:"overlap,omitempty" doc:"How long both keys work: a Go duration such as 24h, which is the default" example:"24h"`
}

// orZero is what an optional body says.
func orZero[T any](body *T) (t T) {
	if body != nil {
		t = *body
	}
	return t
}

func (s *server) operations() {
	s.catalog()
	s.keys()
	s.gateways()
	s.syncs()
	s.documents()
	s.jobs()
	s.sites()
	s.reviews()
	s.people()
	s.lifecycles()
	s.curation()
	s.differences()
	s.consumers()
	s.placement()
}

func (s *server) catalog() {
	read(s, "/me", "me", "Who I am", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Me, error) { return d.Me(ctx) })
	read(s, "/environments", "environments", "The environments that I may meet, in order", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[string], error) {
		items, err := d.Environments(ctx)
		return api.Page[string]{Items: items}, err
	})
	s.search()
}

func (s *server) keys() {
	read(s, "/applications", "applications", "The applications of my organisation", func(ctx context.Context, d api.Desk, in *Paging) (api.Page[api.Application], error) {
		return d.Applications(ctx, in.paging())
	})
	post[bodyIn[api.NewApplication], api.Application]{
		path: "/applications", id: "create-application", summary: "Make an application", status: http.StatusCreated,
		key: bodyKey[api.NewApplication], body: bodyOf[api.NewApplication],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewApplication]) (api.Application, error) {
			return d.CreateApplication(ctx, in.Body)
		},
		of: func(a api.Application) string { return a.ID },
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewApplication], id string) (api.Application, error) {
			return d.Application(ctx, id)
		},
	}.register(s)
	read(s, "/applications/{id}", "application", "One application", func(ctx context.Context, d api.Desk, in *Thing) (api.Application, error) {
		return d.Application(ctx, in.ID)
	})

	type subscriptionsIn struct {
		Paging
		Application string `query:"application"`
		State       string `query:"state" enum:"requested,approved,rejected,suspended,cancelled"`
		ToDecide    bool   `query:"to_decide" doc:"Those that wait for my decision instead of my own"`
		Frozen      bool   `query:"frozen" doc:"Those that are frozen: that I may decide about or, where I decide about none, my organisation's"`
	}
	read(s, "/subscriptions", "subscriptions", "Subscriptions", func(ctx context.Context, d api.Desk, in *subscriptionsIn) (api.Page[api.Subscription], error) {
		return d.Subscriptions(ctx, api.SubscriptionsQuery{Paging: in.paging(), Application: in.Application, State: in.State, ToDecide: in.ToDecide, Frozen: in.Frozen})
	})
	read(s, "/subscriptions/{id}", "subscription", "One subscription", func(ctx context.Context, d api.Desk, in *Thing) (api.Subscription, error) {
		return d.Subscription(ctx, in.ID)
	})
	post[bodyIn[api.NewSubscription], api.Subscription]{
		path: "/subscriptions", id: "subscribe", summary: "Ask for the right to a key", status: http.StatusCreated,
		key: bodyKey[api.NewSubscription], body: bodyOf[api.NewSubscription],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewSubscription]) (api.Subscription, error) {
			return d.Subscribe(ctx, in.Body)
		},
		of: subscriptionID,
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewSubscription], id string) (api.Subscription, error) {
			return d.Subscription(ctx, id)
		},
	}.register(s)
	change(s, http.MethodDelete, "/subscriptions/{id}", "cancel-subscription", "End a subscription and revoke its keys", func(ctx context.Context, d api.Desk, in *Thing) (api.Subscription, error) {
		return d.Cancel(ctx, in.ID)
	})
	s.decision("approve", "Approve a request", func(ctx context.Context, d api.Desk, id, reason string) (api.Subscription, error) {
		return d.Approve(ctx, id, reason)
	})
	s.decision("reject", "Reject a request", func(ctx context.Context, d api.Desk, id, reason string) (api.Subscription, error) {
		return d.Reject(ctx, id, reason)
	})

	replay := func(ctx context.Context, d api.Desk, id string) (api.ClaimBody, error) {
		c, err := d.Credential(ctx, id)
		c.Note = "the secret was in the first answer only; if it is lost, rotate this credential or revoke it and claim again"
		return api.ClaimBody{Credential: c, Parts: []api.PartBody{}}, err
	}
	claimStatus := func(b api.ClaimBody) int {
		if b.State == "pending" {
			return http.StatusAccepted
		}
		return http.StatusCreated
	}
	post[OnceThing, api.ClaimBody]{
		path: "/subscriptions/{id}/credentials", id: "claim", summary: "Make the key; its secret is in this one answer", status: http.StatusCreated, statusOf: claimStatus,
		key: func(in *OnceThing) string { return in.Key }, body: func(*OnceThing) any { return nil },
		do: func(ctx context.Context, d api.Desk, in *OnceThing) (api.ClaimBody, error) {
			c, err := d.Claim(ctx, in.ID)
			return c.Reveal(), err
		},
		of: claimID,
		again: func(ctx context.Context, d api.Desk, _ *OnceThing, id string) (api.ClaimBody, error) {
			return replay(ctx, d, id)
		},
	}.register(s)

	type credentialsIn struct {
		Paging
		Application  string `query:"application"`
		Subscription string `query:"subscription"`
		State        string `query:"state" enum:"pending,active,retiring,revoking,revoked,failed"`
	}
	read(s, "/credentials", "credentials", "The keys of my organisation, never with secrets", func(ctx context.Context, d api.Desk, in *credentialsIn) (api.Page[api.Credential], error) {
		return d.Credentials(ctx, api.CredentialsQuery{Paging: in.paging(), Application: in.Application, Subscription: in.Subscription, State: in.State})
	})
	read(s, "/credentials/{id}", "credential", "One key", func(ctx context.Context, d api.Desk, in *Thing) (api.Credential, error) {
		return d.Credential(ctx, in.ID)
	})
	post[rotateIn, api.ClaimBody]{
		path: "/credentials/{id}/rotate", id: "rotate", summary: "Make a second key; the first one ends after the overlap", status: http.StatusCreated, statusOf: claimStatus,
		key: func(in *rotateIn) string { return in.Key }, body: func(in *rotateIn) any { return orZero(in.Body) },
		do: func(ctx context.Context, d api.Desk, in *rotateIn) (api.ClaimBody, error) {
			overlap, err := overlapOf(orZero(in.Body).Overlap)
			if err != nil {
				return api.ClaimBody{}, err
			}
			c, err := d.Rotate(ctx, in.ID, overlap)
			return c.Reveal(), err
		},
		of: claimID,
		again: func(ctx context.Context, d api.Desk, _ *rotateIn, id string) (api.ClaimBody, error) {
			return replay(ctx, d, id)
		},
	}.register(s)
	huma.Register(s.api, huma.Operation{OperationID: "revoke", Method: http.MethodDelete, Path: prefix + "/credentials/{id}", Summary: "Revoke a key; 202 until its gateway confirms", DefaultStatus: http.StatusOK},
		func(ctx context.Context, in *Thing) (*secretOut[api.Credential], error) {
			c, err := callOf(ctx).desk.Revoke(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			if c.State == "revoking" {
				return noStore(http.StatusAccepted, c), nil
			}
			return noStore(http.StatusOK, c), nil
		})
}

func subscriptionID(sub api.Subscription) string { return sub.ID }

// claimID is empty while the gateway has to act first: the same request is to bring the secret once it has.
func claimID(b api.ClaimBody) string {
	if b.State == "pending" {
		return ""
	}
	return b.ID
}

// overlapOf reads an overlap; the Desk knows the bounds.
func overlapOf(text string) (time.Duration, error) {
	if text == "" {
		return api.DefaultOverlap, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, &api.Problem{Type: "/problems/invalid", Title: "The request is not right", Status: http.StatusUnprocessableEntity,
			Detail: "overlap is a duration such as 24h or 90m", Errors: []api.FieldProblem{{Location: "body.overlap", Message: "not a duration"}}}
	}
	return d, nil
}

func (s *server) decision(verb, summary string, do func(ctx context.Context, d api.Desk, id, reason string) (api.Subscription, error)) {
	post[reasonIn, api.Subscription]{
		path: "/subscriptions/{id}/" + verb, id: verb, summary: summary, status: http.StatusOK,
		key: func(in *reasonIn) string { return in.Key }, body: func(in *reasonIn) any { return orZero(in.Body) },
		do: func(ctx context.Context, d api.Desk, in *reasonIn) (api.Subscription, error) {
			return do(ctx, d, in.ID, orZero(in.Body).Reason)
		},
		of: subscriptionID,
		again: func(ctx context.Context, d api.Desk, _ *reasonIn, id string) (api.Subscription, error) {
			return d.Subscription(ctx, id)
		},
	}.register(s)
}

func (s *server) gateways() {
	read(s, "/gateway-kinds", "gateway-kinds", "The kinds of gateway that can be registered", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[api.GatewayKind], error) {
		kinds, err := d.GatewayKinds(ctx)
		return api.Page[api.GatewayKind]{Items: kinds}, err
	})
	read(s, "/gateways", "gateways", "The gateways that I administer", func(ctx context.Context, d api.Desk, in *Paging) (api.Page[api.Gateway], error) {
		return d.Gateways(ctx, in.paging())
	})
	post[bodyIn[api.NewGateway], api.Gateway]{
		path: "/gateways", id: "create-gateway", summary: "Register a gateway", status: http.StatusCreated,
		key: bodyKey[api.NewGateway], body: bodyOf[api.NewGateway],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewGateway]) (api.Gateway, error) {
			return d.CreateGateway(ctx, in.Body)
		},
		of: func(g api.Gateway) string { return g.ID },
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewGateway], id string) (api.Gateway, error) {
			return d.Gateway(ctx, id)
		},
	}.register(s)
	type changeIn struct {
		Thing
		Body api.NewGateway
	}
	change(s, http.MethodPut, "/gateways/{id}", "change-gateway", "Replace a gateway's registration, but for its rules; without secrets it keeps those that it has", func(ctx context.Context, d api.Desk, in *changeIn) (api.Gateway, error) {
		return d.ChangeGateway(ctx, in.ID, in.Body)
	})
	read(s, "/gateways/{id}", "gateway", "One gateway", func(ctx context.Context, d api.Desk, in *Thing) (api.Gateway, error) { return d.Gateway(ctx, in.ID) })
}

func (s *server) people() {
	read(s, "/organisations", "organisations", "The organisations", func(ctx context.Context, d api.Desk, in *Paging) (api.Page[api.Organisation], error) {
		return d.Organisations(ctx, in.paging())
	})
	post[bodyIn[api.NewOrganisation], api.Organisation]{
		path: "/organisations", id: "create-organisation", summary: "Make an organisation", status: http.StatusCreated,
		key: bodyKey[api.NewOrganisation], body: bodyOf[api.NewOrganisation],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewOrganisation]) (api.Organisation, error) {
			return d.CreateOrganisation(ctx, in.Body)
		},
		of: func(o api.Organisation) string { return o.ID },
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewOrganisation], id string) (api.Organisation, error) {
			return d.Organisation(ctx, id)
		},
	}.register(s)
	read(s, "/organisations/{id}", "organisation", "One organisation", func(ctx context.Context, d api.Desk, in *Thing) (api.Organisation, error) {
		return d.Organisation(ctx, in.ID)
	})
	type organisationIn struct {
		Thing
		Body struct {
			Disabled bool `json:"disabled"`
		}
	}
	change(s, http.MethodPatch, "/organisations/{id}", "change-organisation", "Disable an organisation, which ends its people's sessions and tokens, or enable it", func(ctx context.Context, d api.Desk, in *organisationIn) (api.Organisation, error) {
		return d.SetOrganisationDisabled(ctx, in.ID, in.Body.Disabled)
	})

	read(s, "/people", "people", "The people", func(ctx context.Context, d api.Desk, in *Paging) (api.Page[api.Person], error) {
		return d.People(ctx, in.paging())
	})
	invited := func(i api.Invitation) api.InvitationBody {
		b := api.InvitationBody{Person: i.Person, Expires: i.Expires}
		if !i.Token.IsZero() {
			b.URL = s.PublicURL + api.InvitationPath + i.Token.Reveal()
		}
		return b
	}
	invitationOf := func(b api.InvitationBody) string { return b.Person.ID }
	again := func(ctx context.Context, d api.Desk, id string) (api.InvitationBody, error) {
		p, err := d.Person(ctx, id)
		return api.InvitationBody{Person: p}, err
	}
	post[bodyIn[api.NewPerson], api.InvitationBody]{
		path: "/people", id: "invite", summary: "Invite a person; the one-time link is in this one answer", status: http.StatusCreated,
		key: bodyKey[api.NewPerson], body: bodyOf[api.NewPerson],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewPerson]) (api.InvitationBody, error) {
			i, err := d.Invite(ctx, in.Body)
			return invited(i), err
		},
		of: invitationOf,
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewPerson], id string) (api.InvitationBody, error) {
			return again(ctx, d, id)
		},
	}.register(s)
	read(s, "/people/{id}", "person", "One person", func(ctx context.Context, d api.Desk, in *Thing) (api.Person, error) { return d.Person(ctx, in.ID) })
	post[OnceThing, api.InvitationBody]{
		path: "/people/{id}/invitation", id: "reinvite", summary: "Make a new one-time link; the old one is void", status: http.StatusCreated,
		key: func(in *OnceThing) string { return in.Key }, body: func(*OnceThing) any { return nil },
		do: func(ctx context.Context, d api.Desk, in *OnceThing) (api.InvitationBody, error) {
			i, err := d.Reinvite(ctx, in.ID)
			return invited(i), err
		},
		of: invitationOf,
		again: func(ctx context.Context, d api.Desk, _ *OnceThing, id string) (api.InvitationBody, error) {
			return again(ctx, d, id)
		},
	}.register(s)
	type personIn struct {
		Thing
		Body api.PersonChange
	}
	change(s, http.MethodPatch, "/people/{id}", "change-person", "Change roles, or disable somebody, which ends their sessions and tokens at once", func(ctx context.Context, d api.Desk, in *personIn) (api.Person, error) {
		return d.ChangePerson(ctx, in.ID, in.Body)
	})

	read(s, "/tokens", "tokens", "My tokens, never with their values", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[api.Token], error) {
		items, err := d.Tokens(ctx)
		return api.Page[api.Token]{Items: items}, err
	})
	post[bodyIn[api.NewToken], api.CreatedTokenBody]{
		path: "/tokens", id: "create-token", summary: "Make a token; its value is in this one answer", status: http.StatusCreated,
		key: bodyKey[api.NewToken], body: bodyOf[api.NewToken],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewToken]) (api.CreatedTokenBody, error) {
			t, err := d.CreateToken(ctx, in.Body)
			return api.CreatedTokenBody{Token: t.Token, Value: t.Value.Reveal()}, err
		},
		of: func(b api.CreatedTokenBody) string { return b.ID },
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewToken], id string) (api.CreatedTokenBody, error) {
			t, err := d.Token(ctx, id)
			return api.CreatedTokenBody{Token: t}, err
		},
	}.register(s)
	read(s, "/tokens/{id}", "token", "One token of mine", func(ctx context.Context, d api.Desk, in *Thing) (api.Token, error) { return d.Token(ctx, in.ID) })
	huma.Register(s.api, huma.Operation{OperationID: "revoke-token", Method: http.MethodDelete, Path: prefix + "/tokens/{id}", Summary: "Revoke a token of mine", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *Thing) (*struct{}, error) {
			if err := callOf(ctx).desk.RevokeToken(ctx, in.ID); err != nil {
				return nil, s.problem(ctx, err)
			}
			return nil, nil
		})
}
