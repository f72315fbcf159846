package site_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/site"
)

// TestAnswersOpenForTheirCallerAlone: whole, in order, for the call that they are of, with the key that the caller has.
func TestAnswersOpenForTheirCallerAlone(t *testing.T) {
	content := bytes.Repeat([]byte("canary "), site.PartSize/3)
	open := func(change func([][]byte) [][]byte, call string, gateway portal.GatewayID) ([]byte, error) {
		return site.Unseal(call, gateway, func(replyKey []byte) [][]byte {
			parts, err := site.Seal(replyKey, "call_1", "floor", content)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				if bytes.Contains(p, []byte("canary")) {
					t.Error("a part is not encrypted")
				}
			}
			return change(parts)
		})
	}
	same := func(parts [][]byte) [][]byte { return parts }
	if got, err := open(same, "call_1", "floor"); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for name, tc := range map[string]struct {
		change  func([][]byte) [][]byte
		call    string
		gateway portal.GatewayID
	}{
		"another call":       {same, "call_2", "floor"},
		"another gateway":    {same, "call_1", "roof"},
		"the end missing":    {func(p [][]byte) [][]byte { return p[:len(p)-1] }, "call_1", "floor"},
		"the start missing":  {func(p [][]byte) [][]byte { return p[1:] }, "call_1", "floor"},
		"the middle missing": {func(p [][]byte) [][]byte { return slices.Concat(p[:1], p[2:]) }, "call_1", "floor"},
		"parts exchanged":    {func(p [][]byte) [][]byte { p[1], p[2] = p[2], p[1]; return p }, "call_1", "floor"},
		"a part repeated":    {func(p [][]byte) [][]byte { return append(p, p[len(p)-1]) }, "call_1", "floor"},
		"a bit changed":      {func(p [][]byte) [][]byte { p[1][9] ^= 1; return p }, "call_1", "floor"},
		"its key changed":    {func(p [][]byte) [][]byte { p[0][9] ^= 1; return p }, "call_1", "floor"},
		"cut short":          {func(p [][]byte) [][]byte { return [][]byte{p[0][:1]} }, "call_1", "floor"},
		"empty":              {func(p [][]byte) [][]byte { return [][]byte{{}} }, "call_1", "floor"},
	} {
		if _, err := open(tc.change, tc.call, tc.gateway); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// To another caller's key, which the database could be made to hold.
	_, err := site.Unseal("call_1", "floor", func([]byte) (parts [][]byte) {
		_, _ = site.Unseal("call_1", "floor", func(anothers []byte) [][]byte {
			if parts, err := site.Seal(anothers, "call_1", "floor", content); err == nil {
				return parts
			}
			return nil
		})
		return [][]byte{make([]byte, 2000)}
	})
	if !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("to another key: %v", err)
	}
}

// FuzzUnseal: nothing that a worker sends makes the caller panic, and nothing but an answer to it opens.
func FuzzUnseal(f *testing.F) {
	f.Add([]byte{}, []byte{0, 0})
	f.Add([]byte{4, 0x60}, bytes.Repeat([]byte{1}, 1200))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if got, err := site.Unseal("call_1", "floor", func([]byte) [][]byte { return [][]byte{first, second} }); err == nil {
			t.Errorf("%q opens", got)
		}
	})
}

// connector does what a test says.
type connector struct {
	connectors.Connector
	connectors.Issuer
	probe    func(context.Context) (connectors.Capabilities, error)
	document func(context.Context) (io.ReadCloser, error)
	issue    func(connectors.IssueRequest) (connectors.Issued, error)
	revoke   func(connectors.Handle) (connectors.Revoked, error)
}

func (c *connector) Probe(ctx context.Context) (connectors.Capabilities, error) { return c.probe(ctx) }
func (c *connector) OpenDocument(ctx context.Context, _ connectors.DocumentRef) (io.ReadCloser, error) {
	return c.document(ctx)
}
func (c *connector) Issue(_ context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	return c.issue(req)
}
func (c *connector) Revoke(_ context.Context, _ connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	return c.revoke(h)
}

// through starts a worker with one gateway and returns it as the portal has it.
func (w *world) through(folder string, c connectors.Connector) connectors.Connector {
	w.t.Helper()
	w.register(plant, "floor")
	w.start(w.join(plant, folder, map[portal.GatewayID]connectors.Connector{"floor": c}))
	w.served("floor", site.Connected)
	return w.service.Connector(plant, "floor")
}

// broken is a document that breaks off.
type broken struct {
	io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func TestDocuments(t *testing.T) {
	w := newWorld(t)
	var body io.Reader
	c := w.through(t.TempDir(), &connector{document: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(body), nil }})
	large := bytes.Repeat([]byte("0123456789abcdef"), 3*site.PartSize/16)
	for name, content := range map[string][]byte{
		"empty": {}, "small": []byte("{}"), "a line feed": []byte("\n"), "one part less the line before": large[:site.PartSize-3], "large": large, "large and odd": large[:2*site.PartSize+7],
	} {
		body = bytes.NewReader(content)
		r, err := c.OpenDocument(t.Context(), connectors.DocumentRef{ID: "x"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(content), err)
		}
	}
	body = &broken{bytes.NewReader(large), fmt.Errorf("the wire broke: %w", portal.ErrUnavailable)}
	if _, err := c.OpenDocument(t.Context(), connectors.DocumentRef{ID: "x"}); !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "the wire broke") {
		t.Errorf("one that breaks off: %v", err)
	}
	if !testing.Short() {
		body = io.LimitReader(zeros{}, site.MaxAnswer+1)
		if _, err := c.OpenDocument(t.Context(), connectors.DocumentRef{ID: "x"}); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "bytes") {
			t.Errorf("one that is too large: %v", err)
		}
	}
	// What was read is gone.
	err := w.db.View(t.Context(), func(tx site.Tx) error {
		waiting, err := tx.Sites().Waiting(t.Context(), w.clock.now())
		if len(waiting) > 0 {
			t.Errorf("left: %v", waiting)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestSecretsInTransit: neither the secret of a new key nor the sealed part of a handle is in the database in clear, in a
// log or in an error; and the worker makes the key's value itself.
func TestSecretsInTransit(t *testing.T) {
	w := newWorld(t)
	const secret, sealed = "canary-secret-of-the-key", "canary-sealed-part"
	var value string
	rows := ""
	look := func() {
		err := w.db.View(t.Context(), func(tx site.Tx) error {
			calls, err := tx.Sites().QueuedCalls(t.Context(), plant, w.clock.now(), 10)
			rows += fmt.Sprint(calls)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	c := w.through(t.TempDir(), &connector{
		issue: func(req connectors.IssueRequest) (connectors.Issued, error) {
			value = req.Value.Reveal()
			look()
			return connectors.Issued{
				Progress: connectors.Done, Handle: connectors.Handle{Sealed: map[string]portal.Secret{"key": portal.NewSecret(sealed)}},
				Parts: []connectors.Part{{In: "header", Name: "X-Key", Value: portal.NewSecret(secret)}},
			}, nil
		},
		revoke: func(h connectors.Handle) (connectors.Revoked, error) {
			if h.Sealed["key"].Reveal() != sealed {
				return connectors.Revoked{}, portal.ErrInvalid
			}
			return connectors.Revoked{Absent: true}, nil
		},
	})
	issuer := c.(connectors.Issuer)
	issued, err := issuer.Issue(t.Context(), connectors.IssueRequest{Mark: connectors.Mark{Credential: "crd_1"}, Value: portal.NewSecret("canary-value-of-the-portal")})
	if err != nil || issued.Parts[0].Value.Reveal() != secret {
		t.Fatalf("%v, %v", issued, err)
	}
	if value == "canary-value-of-the-portal" || len(value) < 26 {
		t.Errorf("the value that the gateway takes is %q", value)
	}
	if revoked, err := issuer.Revoke(t.Context(), connectors.Mark{Credential: "crd_1"}, issued.Handle); err != nil || !revoked.Absent {
		t.Errorf("%v, %v", revoked, err)
	}

	// A call that waits, and one whose answer waits.
	r := w.join("other", t.TempDir(), map[portal.GatewayID]connectors.Connector{"field": nil})
	w.register("other", "field")
	if _, _, err := r.PollOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting, giveUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.service.Connector("other", "field").(connectors.Issuer).Revoke(waiting, connectors.Mark{Credential: "crd_2"}, issued.Handle)
	}()
	var id string
	w.eventually("the call waits", func() bool {
		err := w.db.View(t.Context(), func(tx site.Tx) error {
			calls, err := tx.Sites().QueuedCalls(t.Context(), "other", w.clock.now(), 10)
			for _, c := range calls {
				id = c.ID
				rows += string(c.Request) + string(c.ReplyKey)
			}
			return err
		})
		return err == nil && id != ""
	})
	giveUp()
	<-done
	if err := w.db.View(t.Context(), func(tx site.Tx) error {
		_, err := tx.Sites().Call(t.Context(), id)
		return err
	}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("a call that was given up stays: %v", err)
	}
	for place, text := range map[string]string{"the database": rows, "the log": w.log.String()} {
		if strings.Contains(text, "canary") {
			t.Errorf("key material in %s", place)
		}
	}
}

// TestNonsenseDoesNoHarm: whatever a worker answers, the portal gets an error or something that could be true.
func TestNonsenseDoesNoHarm(t *testing.T) {
	site.LookOften()
	w := newWorld(t)
	w.register(plant, "floor")
	r := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil})
	if _, _, err := r.PollOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := w.service.Connector(plant, "floor")
	issuer, suspender := c.(connectors.Issuer), c.(connectors.Suspender)
	mark := connectors.Mark{Credential: "crd_mine"}
	calls := map[string]func(context.Context) (any, error){
		"Probe":    func(ctx context.Context) (any, error) { return c.Probe(ctx) },
		"Discover": func(ctx context.Context) (any, error) { return c.Discover(ctx, "") },
		"Issue": func(ctx context.Context) (any, error) {
			return issuer.Issue(ctx, connectors.IssueRequest{Mark: mark})
		},
		"Status": func(ctx context.Context) (any, error) { return issuer.Status(ctx, mark, connectors.Handle{}) },
		"Find":   func(ctx context.Context) (any, error) { return issuer.Find(ctx, mark) },
		"List": func(ctx context.Context) (any, error) {
			found, _, err := issuer.List(ctx, "", 10)
			return found, err
		},
		"Suspend": func(ctx context.Context) (any, error) { return nil, suspender.Suspend(ctx, mark, connectors.Handle{}) },
	}
	through := func(call func(context.Context) (any, error), content []byte, encrypted bool) (got any, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, err = call(t.Context())
		}()
		var orders []site.Order
		w.eventually("the call is taken", func() bool {
			var pollErr error
			orders, _, pollErr = r.PollOnce(t.Context())
			return pollErr == nil && len(orders) == 1
		})
		send := r.AnswerBytes
		if !encrypted {
			send = func(ctx context.Context, o site.Order, content []byte) error {
				return r.AnswerPart(ctx, o, 0, true, content)
			}
		}
		if err := send(t.Context(), orders[0], content); err != nil {
			t.Fatalf("%v", err)
		}
		<-done
		return got, err
	}
	for name, call := range calls {
		if got, err := through(call, []byte(`{"capabilities":{}}`), false); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s, in clear: %v, %v", name, got, err)
		}
		for _, text := range []string{"", "null", "{}", "[]", `{"found":`, "\x00", `{"issued":{"progress":"perhaps"}}`, strings.Repeat("[", 20000)} {
			got, err := through(call, []byte(text), true)
			if err == nil && name != "List" && name != "Suspend" {
				t.Errorf("%s answered %.20q: %v", name, text, got)
			}
		}
	}
	for text, name := range map[string]string{
		`{"found":[{"mark":{"Credential":"crd_others"},"progress":"done"}]}`:                                               "Find",
		`{"found":[{"mark":{"Credential":"crd_mine"},"progress":"done"},{"mark":{"Credential":"crd_mine"}}]}`:              "Find",
		`{"found":[{"mark":{"Credential":""},"progress":"done"}]}`:                                                         "List",
		`{"issued":{"progress":"done","parts":[{"in":"cookie","name":"X","value":"v"}]}}`:                                  "Issue",
		`{"issued":{"progress":"done","parts":[{"in":"header","name":"X","value":"v\r\nSet-Cookie: a"}]}}`:                 "Issue",
		`{"issued":{"progress":"done","parts":[{"in":"header","name":"","value":"v"}]}}`:                                   "Issue",
		`{"issued":{"progress":"done","parts":[` + strings.Repeat(`{"in":"header","name":"X"},`, 40) + `{"in":"x"}]}}`:     "Issue",
		`{"issued":{"progress":"done","parts":[{"in":"header","name":"X","value":"` + strings.Repeat("v", 99999) + `"}]}}`: "Issue",
	} {
		if got, err := through(calls[name], []byte(text+"\n"), true); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s answered %.60s: %v, %v", name, text, got, err)
		}
	}
	got, err := through(calls["Find"], []byte(`{"failure":{"text":"first\nsecond\u0000`+strings.Repeat("x", 5000)+`","kinds":["denied","nonsense"],"retry_after":9223372036854775807}}`), true)
	if !errors.Is(err, portal.ErrDenied) || strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 2100 {
		t.Errorf("%v, %v", got, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		type object = map[string]any
		value := rapid.SampledFrom([]any{nil, "x", 1, -1, true, []any{}, object{}, "done", "2026-01-01T00:00:00Z"})
		field := rapid.SampledFrom([]string{"failure", "capabilities", "snapshot", "issued", "found", "next", "absent", "parts", "progress", "mark", "kinds"})
		said := object{}
		for range rapid.IntRange(0, 4).Draw(rt, "fields") {
			v := value.Draw(rt, "value")
			if _, ok := v.(object); ok {
				v = object{field.Draw(rt, "inner"): value.Draw(rt, "value")}
			}
			said[field.Draw(rt, "field")] = v
		}
		content, err := json.Marshal(said)
		if err != nil {
			rt.Fatal(err)
		}
		name := rapid.SampledFrom([]string{"Probe", "Discover", "Issue", "Status", "Find", "List", "Suspend"}).Draw(rt, "call")
		got, err := through(calls[name], append(content, '\n'), true)
		if found, ok := got.(connectors.Found); ok && err == nil && found.Mark.Credential != mark.Credential {
			rt.Errorf("%s: %v", content, found)
		}
	})
}
