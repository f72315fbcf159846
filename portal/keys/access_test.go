package keys_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/keys"
)

// What belongs to another organisation is answered like what does not exist, whatever is asked.
func TestStrangersFindNothing(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	ctx := t.Context()
	before := w.dump(t)
	for name, ask := range map[string]func(c access.Caller, app portal.ApplicationID, sub portal.SubscriptionID, crd portal.CredentialID) error{
		"application": func(c access.Caller, app portal.ApplicationID, _ portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Application(ctx, c, app)
			return err
		},
		"subscribe": func(c access.Caller, app portal.ApplicationID, _ portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Subscribe(ctx, c, keys.SubscribeRequest{Application: app, API: "payments"})
			return err
		},
		"subscription": func(c access.Caller, _ portal.ApplicationID, sub portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Subscription(ctx, c, sub)
			return err
		},
		"decide": func(c access.Caller, _ portal.ApplicationID, sub portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Decide(ctx, c, sub, true, "")
			return err
		},
		"thaw": func(c access.Caller, _ portal.ApplicationID, sub portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Thaw(ctx, c, sub, "")
			return err
		},
		"cancel": func(c access.Caller, _ portal.ApplicationID, sub portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Cancel(ctx, c, sub)
			return err
		},
		"claim": func(c access.Caller, _ portal.ApplicationID, sub portal.SubscriptionID, _ portal.CredentialID) error {
			_, err := w.Claim(ctx, c, sub)
			return err
		},
		"credential": func(c access.Caller, _ portal.ApplicationID, _ portal.SubscriptionID, crd portal.CredentialID) error {
			_, err := w.Credential(ctx, c, crd)
			return err
		},
		"rotate": func(c access.Caller, _ portal.ApplicationID, _ portal.SubscriptionID, crd portal.CredentialID) error {
			_, err := w.Rotate(ctx, c, crd, 0)
			return err
		},
		"revoke": func(c access.Caller, _ portal.ApplicationID, _ portal.SubscriptionID, crd portal.CredentialID) error {
			_, err := w.Revoke(ctx, c, crd)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []access.Caller{stranger, cardman, {}} {
				there := ask(c, sub.Application, sub.ID, got.Credential.ID)
				missing := ask(c, "app_x", "sub_x", "crd_x")
				hide := strings.NewReplacer(string(sub.Application), "ID", string(sub.ID), "ID", string(got.Credential.ID), "ID", "app_x", "ID", "sub_x", "ID", "crd_x", "ID")
				if !errors.Is(there, portal.ErrNotFound) || !errors.Is(missing, portal.ErrNotFound) || hide.Replace(there.Error()) != hide.Replace(missing.Error()) {
					t.Errorf("%s gets %v; for what does not exist: %v", c.Person, there, missing)
				}
			}
		})
	}
	for _, c := range []access.Caller{stranger, cardman, {}} {
		apps, err1 := w.Applications(ctx, c, keys.Page{Limit: 10})
		subs, err2 := w.Subscriptions(ctx, c, sub.Application, "", keys.Page{Limit: 10})
		creds, err3 := w.Credentials(ctx, c, keys.CredentialFilter{Organisation: "org_a", Subscription: sub.ID}, keys.Page{Limit: 10})
		todo, err4 := w.ToDecide(ctx, c, keys.Page{Limit: 10})
		if err := errors.Join(err1, err2, err3, err4); err != nil || len(apps)+len(subs)+len(creds)+len(todo) > 0 {
			t.Errorf("%s sees %v %v %v %v, %v", c.Person, apps, subs, creds, todo, err)
		}
	}
	if after := w.dump(t); after != before {
		t.Error("a stranger has changed something")
	}
}

func TestViewersOnlyLook(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	ctx := t.Context()
	_, err1 := w.Subscription(ctx, vic, sub.ID)
	_, err2 := w.Credential(ctx, vic, got.Credential.ID)
	_, err3 := w.Application(ctx, vic, sub.Application)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Error(err)
	}
	_, err1 = w.CreateApplication(ctx, vic, "x")
	_, err2 = w.Subscribe(ctx, vic, keys.SubscribeRequest{Application: sub.Application, API: "loans"})
	_, err3 = w.Claim(ctx, vic, sub.ID)
	_, err4 := w.Rotate(ctx, vic, got.Credential.ID, 0)
	_, err5 := w.Revoke(ctx, vic, got.Credential.ID)
	_, err6 := w.Cancel(ctx, vic, sub.ID)
	_, err7 := w.Decide(ctx, vic, sub.ID, true, "")
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
		if !errors.Is(err, portal.ErrDenied) {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
}

func TestApproval(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	sub := w.requested(t, ann, "loans")
	if sub.State != keys.Requested {
		t.Fatalf("production is %s", sub.State)
	}
	_, err := w.Claim(ctx, ann, sub.ID)
	conflict(t, err, "subscription", string(sub.ID))
	if _, err := w.Decide(ctx, ann, sub.ID, true, ""); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("a developer gets %v", err)
	}
	if _, err := w.Decide(ctx, cardman, sub.ID, true, ""); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("the administrator of another division gets %v", err)
	}
	for _, c := range []access.Caller{paymaster, root} {
		todo, err := w.ToDecide(ctx, c, keys.Page{Limit: 10})
		if err != nil || len(todo) != 1 || todo[0].ID != sub.ID {
			t.Errorf("%s has to decide %v, %v", c.Person, todo, err)
		}
	}
	if _, err := w.Claim(ctx, paymaster, sub.ID); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("who decides is not who claims, and gets %v", err)
	}
	got, err := w.Decide(ctx, paymaster, sub.ID, true, " welcome ")
	if err != nil || got.State != keys.Approved || got.DecidedBy != "per_pay" || got.Reason != "welcome" || got.Decided.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = w.Decide(ctx, root, sub.ID, false, "")
	conflict(t, err, "subscription", string(sub.ID))
	w.claimed(t, sub)

	t.Run("never one's own", func(t *testing.T) {
		for _, c := range []access.Caller{root, caller("per_both", "org_i", "payments", access.DivisionAdministrator, access.Developer), caller("per_own", "org_i", "payments", access.APIOwner, access.Developer)} {
			own := w.requested(t, c, "loans")
			if _, err := w.Decide(ctx, c, own.ID, true, ""); !errors.Is(err, portal.ErrDenied) {
				t.Errorf("%s gets %v", c.Person, err)
			}
			if _, err := w.Decide(ctx, paymaster, own.ID, true, ""); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("rejected", func(t *testing.T) {
		sub := w.requested(t, ann, "loans")
		if got, err := w.Decide(ctx, root, sub.ID, false, "no"); err != nil || got.State != keys.Rejected {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err := w.Claim(ctx, ann, sub.ID)
		conflict(t, err, "subscription", string(sub.ID))
		if got, err := w.Cancel(ctx, ann, sub.ID); err != nil || got.State != keys.Rejected {
			t.Errorf("cancelled: %+v, %v", got, err)
		}
	})
	t.Run("ended by who governs", func(t *testing.T) {
		if _, err := w.Cancel(ctx, paymaster, sub.ID); err != nil {
			t.Error(err)
		}
		if n := len(w.gateways["north"].working()); n != 0 {
			t.Errorf("%d keys work", n)
		}
	})
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	app, err := w.CreateApplication(ctx, ann, "  shop ")
	if err != nil || app.Name != "shop" {
		t.Fatalf("got %+v, %v", app, err)
	}
	for _, name := range []string{"", "   ", strings.Repeat("x", 101)} {
		if _, err := w.CreateApplication(ctx, ann, name); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("a name of %d characters: %v", len(name), err)
		}
	}
	if _, err := w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "nothing"}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "payments", Plan: "platinum"}); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "basic, gold") {
		t.Errorf("got %v", err)
	}
	sub, err := w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "payments", Plan: "gold"})
	if err != nil || sub.Plan != "gold" || sub.State != keys.Approved || sub.DecidedBy != "system:automatic" {
		t.Fatalf("got %+v, %v", sub, err)
	}
	_, err = w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "payments"})
	conflict(t, err, "subscription", string(sub.ID))
	w.claimed(t, sub)
	if asked := w.gateways["north"].plans; !slices.Equal(asked, []string{"gold"}) {
		t.Errorf("the gateway was asked for %v", asked)
	}

	refused := deployment("south", "payments", portal.Test)
	refused.API, refused.IssueRefused = "api_2", "keys open internal-ledger too"
	w.router.send("open", refused)
	_, err = w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "open"})
	if !errors.Is(err, portal.ErrUnsupported) || strings.Contains(err.Error(), "internal-ledger") {
		t.Errorf("got %v", err)
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	other := w.subscribed(t)
	subs, err := w.Subscriptions(ctx, ann, "", "", keys.Page{Limit: 10})
	if err != nil || len(subs) != 2 || subs[0].ID != other.ID {
		t.Errorf("got %v, %v", subs, err)
	}
	if subs, err = w.Subscriptions(ctx, ann, sub.Application, keys.Approved, keys.Page{Limit: 10}); err != nil || len(subs) != 1 || subs[0].ID != sub.ID {
		t.Errorf("got %v, %v", subs, err)
	}
	creds, err := w.Credentials(ctx, ann, keys.CredentialFilter{State: keys.Active}, keys.Page{Limit: 10})
	if err != nil || len(creds) != 1 || creds[0].ID != got.Credential.ID {
		t.Errorf("got %v, %v", creds, err)
	}
	app, of, err := w.Details(ctx, creds[0])
	name, err2 := w.ApplicationName(ctx, sub.Application)
	if err := errors.Join(err, err2); err != nil || app.ID != sub.Application || of.ID != sub.ID || name != "shop" {
		t.Errorf("got %v, %v, %q, %v", app, of, name, err)
	}
}

// An application is bound to the deployment of its newest live key, and to none without one.
func TestBindings(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bound := func(app portal.ApplicationID) (found []portal.DeploymentID) {
		t.Helper()
		if err := w.keysDB().View(ctx, func(tx keys.Tx) error {
			bs, err := tx.Keys().Bindings(ctx, app)
			for _, b := range bs {
				if b.API != "api_1" || b.Line != "2" || b.Environment != portal.Test {
					t.Errorf("got %+v", b)
				}
				found = append(found, b.Deployment)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	sub := w.subscribed(t)
	if got := bound(sub.Application); len(got) != 0 {
		t.Errorf("without a key: %v", got)
	}
	first := w.claimed(t, sub)
	if got := bound(sub.Application); !slices.Equal(got, []portal.DeploymentID{"dep_north"}) {
		t.Errorf("with a key: %v", got)
	}
	w.router.send("payments", deployment("south", "payments", portal.Test))
	if _, err := w.Rotate(ctx, ann, first.Credential.ID, 1<<40); err != nil {
		t.Fatal(err)
	}
	if got := bound(sub.Application); !slices.Equal(got, []portal.DeploymentID{"dep_south"}) {
		t.Errorf("while the first retires: %v", got)
	}
	w.claimed(t, w.subscribed(t))
	if got := bound(""); len(got) != 2 {
		t.Errorf("of all: %v", got)
	}
	if _, err := w.Cancel(ctx, ann, sub.ID); err != nil {
		t.Fatal(err)
	}
	if got := bound(sub.Application); len(got) != 0 {
		t.Errorf("after the end: %v", got)
	}
	w.settle(t)
}
