package caddymodule

import (
	"errors"
	"net"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/internal/guard"
)

func init() { caddy.RegisterModule(OrgConnections{}) }

const (
	caddyHeaderLimit = 16 << 10 // what Caddy sets where the config sets nothing
	headerLimit      = 1 << 20
)

// guards are shared by overlapping configs, so that a reload forgets no connection.
var guards = caddy.NewUsagePool()

type sharedGuard struct{ *guard.Guard }

// Destruct implements caddy.Destructor.
func (g sharedGuard) Destruct() error {
	g.Close()
	return nil
}

// Limits bound what clients without a session may use of the front door.
type Limits struct {
	// How many connections one address may have open that have not carried a
	// session. An IPv6 /64 is one address. Default: `256`.
	Connections *int `json:"connections,omitempty"`

	// How many requests one address may have in flight without a session. Default: `128`.
	Requests *int `json:"requests,omitempty"`
}

// guardLimits completes the limits with the defaults.
func (a *App) guardLimits() guard.Limits {
	l := guard.Defaults()
	if a.Limits != nil {
		l.Connections = valueOr(a.Limits.Connections, l.Connections)
		l.Requests = valueOr(a.Limits.Requests, l.Requests)
	}
	return l
}

// guardServers puts the guard around all HTTP servers of the config, and lets
// requests with many cookies in. Any org's page can set cookies for the whole
// domain; under Caddy's default limit some of those would keep a person out of
// every org and of the control plane, who then could not even sign out. A limit
// that the config sets itself (`servers { max_header_size ... }`) stays. HTTP/3,
// which the guard cannot bound, is off unless the config has it knowingly.
//
// Handlers call it when they are provisioned. Caddy makes its http.Server later, from what is registered here.
func (a *App) guardServers(ctx caddy.Context) error {
	for _, m := range ctx.Modules() {
		app, ok := m.(*caddyhttp.App)
		if !ok {
			continue
		}
		for name, srv := range app.Servers {
			if a.guarded[srv] {
				continue
			}
			a.guarded[srv] = true
			if !a.HTTP3 {
				if err := withoutHTTP3(name, srv); err != nil {
					return err
				}
			}
			http1 := 0
			if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes == caddyHeaderLimit {
				srv.MaxHeaderBytes = headerLimit
				http1 = caddyHeaderLimit
			}
			s := a.guard.Server(http1)
			srv.RegisterConnContext(s.ConnContext)
			srv.RegisterConnState(s.ConnState)
		}
	}
	return nil
}

// guardRequest counts a request that the guard could not count when it came: over HTTP/3, or
// from a trusted proxy, whose word for the client's address Caddy has judged by now.
func (a *App) guardRequest(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request) error) error {
	conn := guard.ConnOf(r.Context())
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if conn != nil && !trusted {
		return next(w, r)
	}
	if conn != nil && conn.Counts() {
		a.guard.Trust(conn.Peer())
		guard.SignedIn(r.Context()) // neither the connection nor this request is the proxy's own
	}
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	ip, _ := netip.ParseAddr(client)
	var err error
	a.guard.Serve(w, r, ip, func(w http.ResponseWriter, r *http.Request) { err = next(w, r) })
	return err
}

// OrgConnections is a listener wrapper that counts connections when they are
// accepted, and charges for HTTP/1 request heads before they are parsed. Without
// it, connections are counted a moment later, and HTTP/1 heads are limited to
// Caddy's 16 KiB. It belongs before `tls`, and after `proxy_protocol`.
type OrgConnections struct{ app *App }

// CaddyModule returns the Caddy module information.
func (OrgConnections) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.org_connections", New: func() caddy.Module { return new(OrgConnections) }}
}

// Provision implements caddy.Provisioner.
func (o *OrgConnections) Provision(ctx caddy.Context) error {
	app, err := ctx.AppIfConfigured("pizzeria")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("this needs the global option `pizzeria { domain ... }`")
	}
	if err != nil {
		return err
	}
	o.app = app.(*App)
	return nil
}

// WrapListener implements caddy.ListenerWrapper.
func (o *OrgConnections) WrapListener(l net.Listener) net.Listener {
	return o.app.guard.Listener(l)
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax:
//
//	org_connections
func (*OrgConnections) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("org_connections takes no options: set them in `pizzeria { limits { ... } }`")
	}
	return nil
}

// parseLimits parses the option `limits`. Syntax:
//
//	limits {
//		connections <number>
//		requests    <number>
//	}
func parseLimits(d *caddyfile.Dispenser) (*Limits, error) {
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	l := new(Limits)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var n **int
		name := d.Val()
		switch name {
		case "connections":
			n = &l.Connections
		case "requests":
			n = &l.Requests
		default:
			return nil, d.Errf("unknown option %q: use connections or requests", name)
		}
		if *n != nil {
			return nil, d.Errf("%s is given twice", name)
		}
		if err := intArg(d, n); err != nil {
			return nil, err
		}
	}
	if *l == (Limits{}) {
		return nil, d.Err("limits needs a limit: connections or requests")
	}
	return l, nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*OrgConnections)(nil)
	_ caddy.ListenerWrapper = (*OrgConnections)(nil)
	_ caddyfile.Unmarshaler = (*OrgConnections)(nil)
)
