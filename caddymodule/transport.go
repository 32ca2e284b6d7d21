package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/sockets"
)

func init() { caddy.RegisterModule(Transport{}) }

// Transport is Caddy's HTTP transport with what an org needs: the assertion set
// last, our cookies and tokens taken out, one connection pool a generation of an
// org, and a filter on what the instance answers. `max_response_header_size` bounds what the headers
// of an answer may cost, informational ones and trailers included: each line counts as its bytes and
// 256 more. Default: 256 KiB.
type Transport struct {
	reverseproxy.HTTPTransport

	// Whether plain GET and HEAD requests take a short path that does the same as Go's
	// `http.Transport` with less work. With `false` every request goes through the latter.
	// Default: true.
	Direct *bool `json:"direct,omitempty"`
	// How many bytes of an app's own cookies an instance gets with a request, from 1 KiB to 32 KiB. The
	// largest are dropped until the others fit. Default: 16 KiB.
	MaxCookies *int64 `json:"max_cookies,omitempty"`

	runtime    *runtime.Runtime
	transports edge.Transports
	stop       context.CancelFunc
	swept      chan struct{} // the sweeper has ended
}

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.org", New: func() caddy.Module { return new(Transport) }}
}

// Provision implements caddy.Provisioner.
func (t *Transport) Provision(ctx caddy.Context) (err error) {
	if t.ProxyProtocol != "" || t.TLS != nil || len(t.NetworkProxyRaw) > 0 || t.ForwardProxyURL != "" {
		return errors.New("transport org reaches instances directly: no proxy protocol, TLS or forward proxy")
	}
	if t.runtime, err = runtimeOf(ctx); err != nil {
		return err
	}
	if t.KeepAlive == nil {
		t.KeepAlive = &reverseproxy.KeepAlive{MaxIdleConnsPerHost: idleConnections}
	}
	if t.MaxResponseHeaderSize == 0 {
		t.MaxResponseHeaderSize = edge.DefaultHeaderLimit
	}
	if t.Compression == nil {
		t.Compression = new(bool) // instances are near: no gzip that the client did not ask for
	}
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	// HTTP_PROXY of the environment is not for instances
	t.Transport.Proxy = nil
	dial := openSockets(t.Transport.DialContext, t.runtime.Secure)
	t.Transport.DialContext = dial
	if !slices.Contains(t.Versions, "h2c") {
		t.Transport.DialContext = edge.GuardDial(dial, t.MaxResponseHeaderSize)
	}
	t.transports.HeaderBytes = t.MaxResponseHeaderSize
	t.transports.CookieBytes = int(valueOr(t.MaxCookies, edge.DefaultCookieBytes))
	t.transports.HTTP = edge.Guarded{
		RoundTripper: &t.HTTPTransport, HeaderBytes: t.MaxResponseHeaderSize,
	}
	// 2 is for TLS alone, and so says nothing here.
	plain := t.MaxConnsPerHost == 0 && !t.Transport.DisableKeepAlives &&
		t.Transport.DisableCompression && slices.Equal(t.Versions, []string{"1.1", "2"})
	if plain && valueOr(t.Direct, true) {
		t.startDirect(ctx, dial)
	}
	return nil
}

// Validate implements caddy.Validator.
func (t *Transport) Validate() error {
	if n := valueOr(t.MaxCookies, edge.DefaultCookieBytes); n < 1<<10 || n > guard.MaxCookies {
		return errors.New("transport org: max_cookies is from 1KiB to 32KiB")
	}
	return nil
}

// startDirect makes the short way for plain requests, with http.Transport's settings.
func (t *Transport) startDirect(ctx context.Context, dial edge.DialFunc) {
	direct := &edge.Direct{
		Dial: dial, Idle: t.Transport.MaxIdleConnsPerHost, IdleTimeout: t.Transport.IdleConnTimeout,
		HeaderTimeout: t.Transport.ResponseHeaderTimeout, HeaderBytes: t.MaxResponseHeaderSize,
		ReadBuffer: t.Transport.ReadBufferSize, WriteBuffer: t.Transport.WriteBufferSize,
	}
	if direct.IdleTimeout == 0 {
		direct.IdleTimeout = 2 * time.Minute // as Caddy's
	}
	t.transports.Direct = direct
	var sweep context.Context
	sweep, t.stop = context.WithCancel(ctx)
	t.swept = make(chan struct{})
	go func() {
		defer close(t.swept)
		tick := time.NewTicker(direct.IdleTimeout)
		defer tick.Stop()
		for {
			select {
			case <-sweep.Done():
				return
			case <-tick.C:
				direct.Sweep()
			}
		}
	}()
}

// Cleanup implements caddy.CleanerUpper.
func (t *Transport) Cleanup() error {
	if t.transports.Direct != nil {
		t.stop()
		<-t.swept
		t.transports.Direct.Close()
	}
	if t.Transport == nil { // Provision did not come that far
		return nil
	}
	return t.HTTPTransport.Cleanup()
}

// idleConnections is how many connections to an instance stay open without a
// request. Caddy's 32 would open and close some all the time under a busy page load.
const idleConnections = 256

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	st := stateOf(r)
	if st == nil {
		return nil, errors.New("the request has no org: put the org handler before reverse_proxy")
	}
	if !edge.Sendable(r.URL) {
		return nil, errors.New("the request target is no path: check the rewrites of the config")
	}
	gw := t.runtime.Gateway()
	for {
		res, err := gw.RoundTrip(st, r, &t.transports)
		if err == nil {
			return res, nil
		}
		// Nothing was sent yet: an instance that restarts is waited for.
		var dial reverseproxy.DialError
		if !errors.As(err, &dial) || !gw.Again(r.Context(), st) {
			return nil, err
		}
		address, err := caddy.ParseNetworkAddress(st.Route.Address)
		if err != nil {
			return nil, err
		}
		r = r.WithContext(context.WithValue(r.Context(), dialInfoKey, reverseproxy.DialInfo{Network: address.Network, Address: address.JoinHostPort(0), Host: address.Host}))
	}
}

// openSockets makes a dialer follow no link that an org put in place of its socket, and reach no
// address that is none of an instance's.
func openSockets(dial edge.DialFunc, secure secureFunc) edge.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, ok := ctx.Value(dialInfoKey).(reverseproxy.DialInfo)
		if !ok {
			return dial(ctx, network, address)
		}
		if !strings.HasPrefix(to.Network, "unix") {
			return dialPort(ctx, dial, to, secure)
		}
		s, err := sockets.Open(to.Address)
		if err != nil {
			return nil, reverseproxy.NewDialError(err)
		}
		defer func() { _ = s.Close() }()
		path := to.Address
		to.Address = s.Path()
		conn, err := dial(context.WithValue(ctx, dialInfoKey, to), network, address)
		if err != nil {
			return nil, reverseproxy.NewDialError(fmt.Errorf("%s: %w", path, err))
		}
		return conn, nil
	}
}

// secureFunc makes a connection to "host:port" one over TLS, and closes it on an error.
type secureFunc func(ctx context.Context, address string, c net.Conn) (net.Conn, error)

// dialPort dials a TCP address. Whether TLS is spoken there is for the route to say; to
// http.Transport it is one more connection.
func dialPort(
	ctx context.Context, dial edge.DialFunc, to reverseproxy.DialInfo, secure secureFunc,
) (net.Conn, error) {
	overTLS := to.Network == "tls"
	to.Network = "tcp"
	conn, err := dial(context.WithValue(ctx, dialInfoKey, to), to.Network, to.Address)
	if err != nil {
		return nil, err
	}
	if err := sockets.CheckPeer(conn); err != nil {
		_ = conn.Close()
		return nil, reverseproxy.NewDialError(err)
	}
	if !overTLS {
		return conn, nil
	}
	if conn, err = secure(ctx, to.Address, conn); err != nil {
		return nil, reverseproxy.NewDialError(err)
	}
	return conn, nil
}

// dialInfoKey is under which reverse_proxy tells its transport where to dial. It
// exports no name for it; TestDialInfoKey fails should it change.
const dialInfoKey caddy.CtxKey = "reverse_proxy.dial_info"

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	transport org {
//		direct on|off
//		max_cookies <size>
//		<options of transport http>
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	rest := []caddyfile.Token{d.Token()}
	for d.NextBlock(0) {
		if len(rest) == 1 {
			rest = append(rest, brace("{", rest[0], 0))
		}
		var err error
		switch d.Val() {
		case "direct":
			err = onOffArg(d, &t.Direct)
		case "max_cookies":
			err = sizeArg(d, &t.MaxCookies)
		default:
			rest = append(rest, d.NextSegment()...)
		}
		if err != nil {
			return err
		}
	}
	if len(rest) > 1 {
		rest = append(rest, brace("}", rest[len(rest)-1], 1))
	}
	return t.HTTPTransport.UnmarshalCaddyfile(caddyfile.NewDispenser(rest))
}

// brace is a token some lines after another one.
func brace(text string, after caddyfile.Token, lines int) caddyfile.Token {
	return caddyfile.Token{File: after.File, Line: after.Line + lines, Text: text}
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Transport)(nil)
	_ caddy.Validator       = (*Transport)(nil)
	_ caddy.CleanerUpper    = (*Transport)(nil)
	_ http.RoundTripper     = (*Transport)(nil)
	_ caddyfile.Unmarshaler = (*Transport)(nil)
)
