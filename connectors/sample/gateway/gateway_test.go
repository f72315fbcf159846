package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/portal"
)

func newGateway(t *testing.T, opts Options) *Gateway {
	t.Helper()
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func byHand(t *testing.T, g *Gateway, id, api, stage string) string {
	t.Helper()
	key, err := g.MakeByHand(id, g.ID(api), stage)
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}

// get asks the data plane; headers are pairs.
func get(g *Gateway, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.PublicHandler().ServeHTTP(w, r)
	return w
}

func TestDataPlane(t *testing.T) {
	g := newGateway(t, Options{APIs: []API{
		{Name: "payments", Path: "/pay/v2", Stages: []string{"test", "prod"}},
		{Name: "orders", Authentication: portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "apiKey "}},
		{Name: "weather", Authentication: portal.Authentication{Type: "apiKey", In: "query", Name: "key"}},
		{Name: "status", Authentication: portal.Authentication{Type: "none"}},
		{Name: "shared", SharedKeys: true},
		{Name: "asleep", Inactive: true},
	}})
	prod, orders := byHand(t, g, "1", "payments", "prod"), byHand(t, g, "2", "orders", "")
	weather, shared := byHand(t, g, "3", "weather", ""), byHand(t, g, "4", "shared", "")
	for name, tc := range map[string]struct {
		target  string
		headers []string
		want    int
	}{
		"with its key":                {"/prod/pay/v2/all", []string{"X-API-Key", prod}, 200},
		"without a key":               {"/prod/pay/v2/all", nil, 401},
		"with an empty key":           {"/prod/pay/v2/all", []string{"X-API-Key", ""}, 401},
		"with a wrong key":            {"/prod/pay/v2/all", []string{"X-API-Key", prod + "x"}, 401},
		"at another stage":            {"/test/pay/v2/all", []string{"X-API-Key", prod}, 403},
		"with another API's key":      {"/prod/pay/v2/all", []string{"X-API-Key", orders}, 403},
		"key in the wrong place":      {"/prod/pay/v2/all?X-API-Key=" + prod, nil, 401},
		"prefix":                      {"/orders", []string{"Authorization", "apiKey " + orders}, 200},
		"prefix missing":              {"/orders", []string{"Authorization", orders}, 401},
		"in the query":                {"/weather?city=Bern&key=" + weather, nil, 200},
		"no key needed":               {"/status", nil, 200},
		"a shared key on its own API": {"/shared", []string{"X-API-Key", shared}, 200},
		"a shared key elsewhere":      {"/prod/pay/v2", []string{"X-API-Key", shared}, 200},
		"another's key on shared":     {"/shared", []string{"X-API-Key", prod}, 403},
		"no API":                      {"/nowhere", nil, 404},
		"only a prefix of an API":     {"/prod/pay/v22", []string{"X-API-Key", prod}, 404},
		"not served":                  {"/asleep", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			w := get(g, tc.target, tc.headers...)
			if w.Code != tc.want {
				t.Errorf("got %d %s; want %d", w.Code, w.Body, tc.want)
			}
			if tc.want >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("the refusal is %q", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestUpstreamSeesNoKey(t *testing.T) {
	var seen *http.Request
	upstream := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })
	g := newGateway(t, Options{APIs: []API{
		{Name: "pay", Path: "/pay/v2", Stages: []string{"prod"}, Upstream: upstream},
		{Name: "query", Authentication: portal.Authentication{Type: "apiKey", In: "query", Name: "key"}, Upstream: upstream},
	}})
	get(g, "/prod/pay/v2/all/of?them=1", "X-API-Key", byHand(t, g, "1", "pay", "prod"), StageHeader, "forged")
	if seen == nil || seen.URL.String() != "/all/of?them=1" || seen.Header.Get("X-API-Key") != "" || seen.Header.Get(StageHeader) != "prod" {
		t.Errorf("the upstream sees %+v", seen)
	}
	get(g, "/query?a=1&key="+byHand(t, g, "2", "query", ""))
	if seen.URL.String() != "/?a=1" {
		t.Errorf("the upstream sees %s", seen.URL)
	}
}

func TestPlanLimits(t *testing.T) {
	g := newGateway(t, Options{APIs: []API{{Name: "orders", Plans: []Plan{{ID: "slow", Title: "Slow", PerSecond: 3}}}}})
	one, two := byHand(t, g, "1", "orders", ""), byHand(t, g, "2", "orders", "")
	var codes []int
	for range 4 {
		codes = append(codes, get(g, "/orders", "X-API-Key", one).Code)
	}
	if !slices.Equal(codes, []int{200, 200, 200, 429}) {
		t.Errorf("got %v; want three, then 429", codes)
	}
	if w := get(g, "/orders", "X-API-Key", two); w.Code != 200 {
		t.Errorf("another key gets %d: the limit is each key's own", w.Code)
	}
}

// TestFind holds the look-up of a path equal to trying every address.
func TestFind(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "v2"})
	path := rapid.Map(rapid.SliceOfN(segment, 1, 4), func(s []string) string { return "/" + strings.Join(s, "/") })
	rapid.Check(t, func(t *rapid.T) {
		tab := &table{routes: map[string]route{}}
		for _, base := range rapid.SliceOf(path).Draw(t, "bases") {
			tab.routes[base] = route{stage: base}
		}
		asked := path.Draw(t, "path") + rapid.SampledFrom([]string{"", "/"}).Draw(t, "end")
		want := ""
		for base := range maps.Keys(tab.routes) {
			if (asked == base || strings.HasPrefix(asked, base+"/")) && len(base) > len(want) {
				want = base
			}
		}
		got, below, ok := tab.find(asked)
		if ok != (want != "") || got.stage != want {
			t.Fatalf("%s is served by %q; want %q", asked, got.stage, want)
		}
		if ok && below != asked[len(want):] && below != "/" {
			t.Fatalf("below %s comes %q", want, below)
		}
	})
}

// TestStateOutlivesRestart keeps keys, and no key material, in a file.
func TestStateOutlivesRestart(t *testing.T) {
	opts := Options{State: filepath.Join(t.TempDir(), "state.json"), APIs: []API{{Name: "orders"}}}
	first := newGateway(t, opts)
	kept, gone := byHand(t, first, "kept", "orders", ""), byHand(t, first, "gone", "orders", "")
	if err := first.remove("gone"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(opts.State)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(kept)) {
		t.Errorf("the state holds a key")
	}
	if info, err := os.Stat(opts.State); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state is %v, %v; want it private", info.Mode(), err)
	}
	second := newGateway(t, opts)
	if code := get(second, "/orders", "X-API-Key", kept).Code; code != 200 {
		t.Errorf("after a restart the key gets %d", code)
	}
	if code := get(second, "/orders", "X-API-Key", gone).Code; code != 401 {
		t.Errorf("after a restart the deleted key gets %d", code)
	}
	left, err := filepath.Glob(opts.State + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	for _, damaged := range []string{`{`, `[{"id":"x","hash":"AA=="}]`} {
		if err := os.WriteFile(opts.State, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(opts); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("a damaged state: got error %v; want %v", err, portal.ErrInvalid)
		}
	}
}

// TestUnsavedChangeIsUndone fails to save and wants the gateway as it was.
func TestUnsavedChangeIsUndone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, Options{State: filepath.Join(dir, "state.json"), APIs: []API{{Name: "orders"}}})
	key := byHand(t, g, "1", "orders", "")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := g.MakeByHand("2", g.ID("orders"), ""); err == nil {
		t.Error("a key was made that is not kept")
	}
	if err := g.remove("1"); err == nil {
		t.Error("a key was deleted that is kept")
	}
	if code := get(g, "/orders", "X-API-Key", key).Code; code != 200 || g.Live("") != 1 {
		t.Errorf("the key gets %d, and there are %d", code, g.Live(""))
	}
}

func TestPropagation(t *testing.T) {
	const delay = 100 * time.Millisecond
	g := newGateway(t, Options{APIs: []API{{Name: "orders"}}, Faults: Faults{Propagation: delay}})
	key := byHand(t, g, "1", "orders", "")
	if code := get(g, "/orders", "X-API-Key", key).Code; code != 401 {
		t.Errorf("at once the key gets %d", code)
	}
	deadline := time.Now().Add(5 * time.Second)
	for get(g, "/orders", "X-API-Key", key).Code != 200 {
		if time.Now().After(deadline) {
			t.Fatal("the key never works")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := g.remove("1"); err != nil {
		t.Fatal(err)
	}
	if code := get(g, "/orders", "X-API-Key", key).Code; code != 200 {
		t.Errorf("at once the revoked key gets %d", code)
	}
}

// TestLateTableIsDropped speeds the gateway up: what was on its way slowly never undoes what came later.
func TestLateTableIsDropped(t *testing.T) {
	const delay = 50 * time.Millisecond
	g := newGateway(t, Options{APIs: []API{{Name: "orders"}}, Faults: Faults{Propagation: delay}})
	key := byHand(t, g, "1", "orders", "")
	g.SetFaults(Faults{})
	if err := g.remove("1"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * delay); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if code := get(g, "/orders", "X-API-Key", key).Code; code != 401 {
			t.Fatalf("a deleted key gets %d", code)
		}
	}
}

// TestChangesAddUp follows the log of changes through whatever is published and withdrawn, and ends where the gateway is.
func TestChangesAddUp(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	stages := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"dev", "test", "prod"}), rapid.ID[string])
	rapid.Check(t, func(t *rapid.T) {
		g, err := New(Options{Changes: true})
		if err != nil {
			t.Fatal(err)
		}
		known, cursor := map[GoneView]bool{}, g.changesView("").Cursor
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				name := names.Draw(t, "name")
				if rapid.Bool().Draw(t, "withdraw") {
					_ = g.Remove(name) // which may not be there
				} else if err := g.Add(API{Name: name, Stages: stages.Draw(t, "stages"), SharedKeys: name == "a"}); err != nil {
					t.Fatal(err)
				}
			}
			view := g.changesView(cursor)
			if view.Reset {
				t.Fatal("the cursor is too old at once")
			}
			cursor = view.Cursor
			for _, gone := range view.Gone {
				delete(known, gone)
			}
			for _, id := range view.APIs {
				for _, stage := range g.apis[id].Stages {
					known[GoneView{id, stage}] = true
				}
			}
			want := map[GoneView]bool{}
			for id, api := range g.apis {
				for _, stage := range api.Stages {
					want[GoneView{id, stage}] = true
				}
			}
			if !maps.Equal(known, want) {
				t.Fatalf("the changes add up to %v; there is %v", known, want)
			}
		}
	})
}

func TestOldCursors(t *testing.T) {
	log := newChangeLog()
	old := log.cursor()
	for range keptChanges + 1 {
		log.add(change{api: "x"})
	}
	other := newChangeLog()
	for name, tc := range map[string]struct {
		cursor string
		want   bool
	}{
		"now":                 {log.cursor(), true},
		"older than the log":  {old, false},
		"from the future":     {log.process + ".99999999", false},
		"of another process":  {other.cursor(), false},
		"no cursor":           {"x", false},
		"a cursor with words": {log.process + ".1x", false},
	} {
		if _, ok := log.since(tc.cursor); ok != tc.want {
			t.Errorf("%s: told %t; want %t", name, ok, tc.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		apis []API
		want string
	}{
		"a name":        {[]API{{Name: "Orders!"}}, "Orders!"},
		"a stage":       {[]API{{Name: "orders", Stages: []string{"a/b"}}}, "a/b"},
		"a path":        {[]API{{Name: "orders", Path: "orders/"}}, "orders/"},
		"OAuth":         {[]API{{Name: "orders", Authentication: portal.Authentication{Type: "oauth2"}}}, "oauth2"},
		"a nameless":    {[]API{{Name: "orders", Authentication: portal.Authentication{Type: "apiKey", In: "header"}}}, "needs a name"},
		"one address":   {[]API{{Name: "a", Path: "/x"}, {Name: "b", Path: "/x"}}, "address /x"},
		"one name":      {[]API{{Name: "a", ID: "1", Path: "/x"}, {Name: "a", ID: "2", Path: "/y"}}, "name a"},
		"stage or path": {[]API{{Name: "a", Path: "/x", Stages: []string{"prod"}}, {Name: "b", Path: "/prod/x"}}, "/prod/x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{APIs: tc.apis})
			if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v; want one that names %q", err, tc.want)
			}
		})
	}
}

// admin asks the admin side.
func admin(g *Gateway, token portal.Secret, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	w := httptest.NewRecorder()
	g.AdminHandler().ServeHTTP(w, r)
	return w
}

func TestAdminSide(t *testing.T) {
	g := newGateway(t, Options{APIs: []API{{Name: "orders", Document: []byte(`{}`)}, {Name: "open", Authentication: portal.Authentication{Type: "none"}}}})
	orders := `{"api":"` + g.ID("orders") + `","plan":"standard"}`
	wrong := portal.NewSecret("wrong")
	for name, tc := range map[string]struct {
		token              portal.Secret
		method, path, body string
		want               int
	}{
		"no valid token":        {wrong, "GET", "/v1/about", "", 401},
		"reading":               {g.ReadToken(), "GET", "/v1/apis", "", 200},
		"writing while reading": {g.ReadToken(), "PUT", "/v1/credentials/a", orders, 403},
		"faults while reading":  {g.ReadToken(), "PUT", "/v1/faults", `{}`, 403},
		"an unknown API":        {g.AdminToken(), "PUT", "/v1/credentials/a", `{"api":"x","plan":"standard"}`, 404},
		"an unknown plan":       {g.AdminToken(), "PUT", "/v1/credentials/a", strings.Replace(orders, "standard", "gold", 1), 422},
		"an API without keys":   {g.AdminToken(), "PUT", "/v1/credentials/a", `{"api":"` + g.ID("open") + `","plan":"standard"}`, 422},
		"a key of one's own":    {g.AdminToken(), "PUT", "/v1/credentials/a", strings.Replace(orders, "{", `{"key":"0123456789abcdef",`, 1), 422},
		"an unknown field":      {g.AdminToken(), "PUT", "/v1/credentials/a", `{"apy":"x"}`, 400},
		"a wrong limit":         {g.AdminToken(), "GET", "/v1/apis?limit=none", "", 400},
		"an unknown credential": {g.AdminToken(), "DELETE", "/v1/credentials/none", "", 404},
		"an unknown document":   {g.AdminToken(), "GET", "/v1/apis/none/document", "", 404},
		"no document":           {g.AdminToken(), "GET", "/v1/apis/" + g.ID("open") + "/document", "", 404},
		"unknown faults":        {g.AdminToken(), "PUT", "/v1/faults", `{"volcano":true}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			if w := admin(g, tc.token, tc.method, tc.path, tc.body); w.Code != tc.want {
				t.Errorf("got %d %s; want %d", w.Code, w.Body, tc.want)
			}
		})
	}
	w := admin(g, g.AdminToken(), "PUT", "/v1/credentials/a", orders)
	var made CredentialView
	if err := json.Unmarshal(w.Body.Bytes(), &made); w.Code != 201 || err != nil || made.Key == "" {
		t.Fatalf("making a credential: %d %s, %v", w.Code, w.Body, err)
	}
	if w := admin(g, g.AdminToken(), "PUT", "/v1/credentials/a", orders); w.Code != 409 {
		t.Errorf("making it again: %d", w.Code)
	}
	for _, path := range []string{"/v1/credentials/a", "/v1/credentials"} {
		if w := admin(g, g.AdminToken(), "GET", path, ""); w.Code != 200 || strings.Contains(w.Body.String(), made.Key) {
			t.Errorf("%s: %d, or it shows the key again", path, w.Code)
		}
	}
}

// TestFaultsOverTheAdminSide switches the gateway down and, while it is down, up again.
func TestFaultsOverTheAdminSide(t *testing.T) {
	g := newGateway(t, Options{})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string, body any) (int, error) {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, g.AdminURL()+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+g.AdminToken().Reveal())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	if code, err := ask("PUT", "/v1/faults", Faults{Down: true}); code != 200 || err != nil {
		t.Fatalf("switching off: %d, %v", code, err)
	}
	if code, err := ask("GET", "/v1/about", nil); err == nil {
		t.Errorf("while it is down it answers %d", code)
	}
	if code, err := ask("PUT", "/v1/faults", Faults{}); code != 200 || err != nil {
		t.Fatalf("switching on: %d, %v", code, err)
	}
	if code, err := ask("GET", "/v1/about", nil); code != 200 || err != nil {
		t.Errorf("up again it answers %d, %v", code, err)
	}
}

// TestRename changes a name: an opaque id stays, of names it is another API.
func TestRename(t *testing.T) {
	for _, names := range []bool{false, true} {
		g := newGateway(t, Options{NamesAsIDs: names, APIs: []API{{Name: "orders", ID: "fixed", Path: "/orders"}}})
		before := g.ID("orders")
		if names {
			if err := g.Remove("orders"); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Add(API{Name: "purchases", ID: "fixed", Path: "/orders"}); err != nil {
			t.Fatal(err)
		}
		if same := g.ID("purchases") == before; same == names || g.ID("orders") != "" {
			t.Errorf("names as ids %t: the id is kept %t", names, same)
		}
	}
	if err := newGateway(t, Options{}).Remove("none"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("removing nothing: %v", err)
	}
}
