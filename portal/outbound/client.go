package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"concierge/portal"
)

// Options bound a client. A zero field means its default.
type Options struct {
	ConnectTimeout time.Duration // resolving and connecting; default 5 s
	TLSTimeout     time.Duration // handshake; default 5 s
	HeaderTimeout  time.Duration // from the request's last byte to the answer's header; default 15 s
	Timeout        time.Duration // one whole call, its body included; default 60 s
	MaxHeaderBytes int64         // default 256 KiB
	MaxBodyBytes   int64         // of one answer, decompressed; default 64 MiB

	// RootCAs is PEM with the only certificates that are trusted to sign a server's; empty means the system's.
	RootCAs []byte
	// Pace, where set, is asked before each call, so that a gateway gets no more calls than it can take.
	Pace *Pace
	// Resolver resolves names; nil means the system's.
	Resolver *net.Resolver
}

// NewClient returns a client that keeps the promises of this package. It is safe for concurrent use and keeps connections
// alive; make one for each gateway, and call CloseIdleConnections when it goes. The error is portal.ErrInvalid, for RootCAs.
//
// Errors of its calls: *RefusedError (portal.ErrDenied), the caller's context.Canceled, else portal.ErrUnavailable. net/http
// puts the URL into them, with its query and user name: call it through Do, or pass errors through Clean.
func NewClient(policy Policy, opts Options) (*http.Client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(opts.RootCAs) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(opts.RootCAs) {
			return nil, fmt.Errorf("certificates to trust: %w: there is no PEM certificate in them", portal.ErrInvalid)
		}
	}
	dialer := &net.Dialer{
		Timeout:  cmp.Or(opts.ConnectTimeout, 5*time.Second),
		Resolver: opts.Resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %q is not an address", portal.ErrDenied, address)
			}
			return policy.Check(at)
		},
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &transport{
			timeout: cmp.Or(opts.Timeout, time.Minute),
			maxBody: cmp.Or(opts.MaxBodyBytes, 64<<20),
			pace:    opts.Pace,
			base: &http.Transport{
				DialContext:            dialTCP(dialer),
				TLSClientConfig:        tlsConfig,
				TLSHandshakeTimeout:    cmp.Or(opts.TLSTimeout, 5*time.Second),
				ResponseHeaderTimeout:  cmp.Or(opts.HeaderTimeout, 15*time.Second),
				MaxResponseHeaderBytes: cmp.Or(opts.MaxHeaderBytes, 256<<10),
				ForceAttemptHTTP2:      true,
				MaxIdleConnsPerHost:    8,
				MaxConnsPerHost:        32,
				IdleConnTimeout:        90 * time.Second,
			},
		},
	}, nil
}

// dialTCP connects, and says in the error of a refused address which name led there.
func dialTCP(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			named := *refused
			named.Host, _, _ = net.SplitHostPort(address)
			return nil, &named
		}
		return conn, err
	}
}

// transport bounds one call and gives its errors their kind.
type transport struct {
	base    *http.Transport
	timeout time.Duration
	maxBody int64
	pace    *Pace
}

// CloseIdleConnections lets http.Client reach the connections.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip makes a call in its turn. One in the background that only reads is made again where the receiver asks for a
// pause that is worth waiting for.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := t.once(req)
		if err != nil {
			return nil, err
		}
		pause := asked(resp)
		if pause == 0 || t.pace == nil {
			return resp, nil
		}
		t.pace.pause(pause)
		reads := (req.Method == http.MethodGet || req.Method == http.MethodHead) && req.Body == nil
		if pause > patience || !reads || laneOf(req.Context()) != background || n == attempts || endsWithin(req.Context(), pause) {
			return resp, nil
		}
		_ = resp.Body.Close()
	}
}

func (t *transport) once(req *http.Request) (*http.Response, error) {
	leave := func(outcome, string) {}
	if t.pace != nil {
		waiting, enough := context.WithTimeout(req.Context(), t.timeout)
		var err error
		leave, err = t.pace.enter(waiting)
		enough()
		if err != nil {
			closeBody(req)
			return nil, kind(req, err)
		}
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	together, _ := req.Context().Value(togetherKey{}).(*together)
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		leave(outcomeOf(req, nil, err))
		return nil, kind(req, err)
	}
	resp.Body = &body{
		ReadCloser: resp.Body, req: req, left: t.maxBody, max: t.maxBody, together: together, cancel: cancel,
		leave: func(err error) { leave(outcomeOf(req, resp, err)) },
	}
	return resp, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// kind makes an error of the network portal.ErrUnavailable, unless it is a refused address or the caller's own
// cancellation.
func kind(req *http.Request, err error) error {
	if errors.Is(err, portal.ErrDenied) || errors.Is(req.Context().Err(), context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", portal.ErrUnavailable, err)
}

// together bounds what several answers hold.
type together struct {
	max  int64
	left atomic.Int64
}

type togetherKey struct{}

// Together bounds what the answers to all calls made with the context hold, decompressed: a receiver that hands out page
// after page ends somewhere. Reading more is portal.ErrUnavailable.
func Together(ctx context.Context, maxBytes int64) context.Context {
	t := &together{max: maxBytes}
	t.left.Store(maxBytes)
	return context.WithValue(ctx, togetherKey{}, t)
}

func (t *together) take(n int) error {
	if t != nil && t.left.Add(-int64(n)) < 0 {
		return fmt.Errorf("%w: the answers are larger than %d bytes together, and the rest was not read", portal.ErrUnavailable, t.max)
	}
	return nil
}

// body is an answer's body with a limit, whose call's time ends with it.
type body struct {
	io.ReadCloser
	req       *http.Request
	left, max int64
	together  *together // with other answers; nil: unlimited
	cancel    func()
	leave     func(error)
	once      sync.Once
}

// end is the end of the call, err why it came early.
func (b *body) end(err error) {
	b.once.Do(func() {
		b.cancel()
		b.leave(err)
	})
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.max)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, tooLarge(b.max) // the one byte over the limit is not handed out
	}
	if err := b.together.take(n); err != nil {
		return 0, err
	}
	switch {
	case errors.Is(err, io.EOF):
		b.end(nil)
	case err != nil:
		err = kind(b.req, err)
		b.end(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

func tooLarge(max int64) error {
	return fmt.Errorf("%w: the answer is larger than %d bytes, and the rest was not read", portal.ErrUnavailable, max)
}

// Do is client.Do with errors that show no user, query or fragment of a URL.
func Do(client *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := client.Do(req)
	return resp, Clean(err)
}

// Clean takes user, query and fragment, where credentials travel, out of the URL that net/http puts into its errors. Kinds stay
// testable. Of other errors it changes nothing.
func Clean(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	where := "a URL"
	if u, parseErr := url.Parse(failed.URL); parseErr == nil {
		where = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	return fmt.Errorf("%s %s: %w", failed.Op, where, failed.Err)
}

// ReadAll reads an answer's body, at most max bytes, and closes it; then the trailers are in resp.Trailer. A larger
// body, and one that breaks off, is portal.ErrUnavailable.
func ReadAll(resp *http.Response, max int64) ([]byte, error) {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case int64(len(data)) > max:
		return nil, tooLarge(max)
	}
	return data, nil
}
