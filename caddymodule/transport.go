package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/pizzaface/pizzeria/internal/gateway"
	"github.com/pizzaface/pizzeria/internal/runtime"
)

func init() { caddy.RegisterModule(Transport{}) }

// Transport is Caddy's HTTP transport with what an org needs: the assertion set
// last, our cookies and tokens taken out, one connection pool a generation of an
// org, and a filter on what the instance answers.
type Transport struct {
	reverseproxy.HTTPTransport

	runtime *runtime.Runtime
	direct  *gateway.Direct // nil where an option needs http.Transport
	stop    context.CancelFunc
	swept   chan struct{} // the sweeper has ended
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
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	// HTTP_PROXY of the environment is not for instances
	t.Transport.Proxy = nil
	// 2 is for TLS alone, and so says nothing here.
	if t.MaxConnsPerHost == 0 && !t.Transport.DisableKeepAlives && slices.Equal(t.Versions, []string{"1.1", "2"}) {
		t.startDirect(ctx)
	}
	return nil
}

// startDirect makes the short way for plain requests, with http.Transport's settings.
func (t *Transport) startDirect(ctx context.Context) {
	t.direct = &gateway.Direct{
		Dial: t.Transport.DialContext, Idle: t.Transport.MaxIdleConnsPerHost, IdleTimeout: t.Transport.IdleConnTimeout,
		HeaderTimeout: t.Transport.ResponseHeaderTimeout, HeaderBytes: t.Transport.MaxResponseHeaderBytes,
	}
	if t.direct.HeaderBytes == 0 {
		t.direct.HeaderBytes = 10 << 20 // as http.Transport
	}
	if t.direct.IdleTimeout == 0 {
		t.direct.IdleTimeout = 2 * time.Minute // as Caddy's
	}
	var sweep context.Context
	sweep, t.stop = context.WithCancel(ctx)
	t.swept = make(chan struct{})
	go func() {
		defer close(t.swept)
		tick := time.NewTicker(t.direct.IdleTimeout)
		defer tick.Stop()
		for {
			select {
			case <-sweep.Done():
				return
			case <-tick.C:
				t.direct.Sweep()
			}
		}
	}()
}

// Cleanup implements caddy.CleanerUpper.
func (t *Transport) Cleanup() error {
	if t.direct != nil {
		t.stop()
		<-t.swept
		t.direct.Close()
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
	if !gateway.Sendable(r.URL) {
		return nil, errors.New("the request target is no path: check the rewrites of the config")
	}
	gw := t.runtime.Gateway()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = io.NopCloser(r.Body) // a dial that fails would close it; the server does so in the end
	}
	for {
		res, err := t.exchange(st.Prepare(r))
		if err == nil {
			gw.Filter(st, res)
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

// dialInfoKey is under which reverse_proxy tells its transport where to dial. It
// exports no name for it; TestDialInfoKey fails should it change.
const dialInfoKey caddy.CtxKey = "reverse_proxy.dial_info"

func (t *Transport) exchange(r *http.Request) (*http.Response, error) {
	if t.direct != nil && t.direct.Takes(r) {
		return t.direct.RoundTrip(r)
	}
	return t.HTTPTransport.RoundTrip(r)
}

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	transport org {
//		<options of transport http>
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return t.HTTPTransport.UnmarshalCaddyfile(d)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Transport)(nil)
	_ caddy.CleanerUpper    = (*Transport)(nil)
	_ http.RoundTripper     = (*Transport)(nil)
	_ caddyfile.Unmarshaler = (*Transport)(nil)
)
