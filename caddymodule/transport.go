package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/pizzaface/pizzeria/internal/runtime"
)

func init() { caddy.RegisterModule(Transport{}) }

// Transport is Caddy's HTTP transport with what an org needs: the assertion set
// last, our cookies and tokens taken out, one connection pool a generation of an
// org, and a filter on what the instance answers.
type Transport struct {
	reverseproxy.HTTPTransport

	runtime *runtime.Runtime
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
	t.Transport.Proxy = nil // HTTP_PROXY of the environment is not for instances
	return nil
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
	res, err := t.HTTPTransport.RoundTrip(st.Prepare(r))
	if err != nil {
		return nil, err
	}
	t.runtime.Gateway().Filter(st, res)
	return res, nil
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
