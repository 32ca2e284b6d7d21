package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/wire"
)

func init() {
	caddy.RegisterModule(ControlPlane{})
	httpcaddyfile.RegisterHandlerDirective("control_plane", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		c := new(ControlPlane)
		return c, c.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("control_plane", httpcaddyfile.Before, "reverse_proxy")
}

// ControlPlane serves the console, the API and the OpenID provider. It belongs
// on the issuer's host alone.
type ControlPlane struct {
	runtime *runtime.Runtime
	app     *App
}

// CaddyModule returns the Caddy module information.
func (ControlPlane) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.control_plane", New: func() caddy.Module { return new(ControlPlane) }}
}

// Provision implements caddy.Provisioner.
func (c *ControlPlane) Provision(ctx caddy.Context) (err error) {
	if c.app, err = appOf(ctx); err != nil {
		return err
	}
	c.app.checkRedirects(ctx)
	c.runtime = c.app.runtime
	return c.app.guardServers(ctx)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (c *ControlPlane) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return c.app.guardRequest(w, r, c.serve)
}

func (c *ControlPlane) serve(w http.ResponseWriter, r *http.Request) error {
	if err := c.runtime.Ready(r.Context()); err != nil {
		w.Header().Set("Retry-After", "2")
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	if !wire.Admit(w, r, c.app.site.Issuer) {
		return nil
	}
	if console.HoldsSecret(r) {
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if ends, _ := repl.Get("http.shutting_down"); ends == true && r.URL.Path == "/readyz" {
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("the server ends"))
	}
	id, _ := repl.GetString("http.request.uuid")
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	c.runtime.Handler().ServeHTTP(w, r.WithContext(wire.WithRequest(r.Context(), id, ip)))
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	control_plane
func (*ControlPlane) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("control_plane takes no options: set them in the global option pizzeria")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ControlPlane)(nil)
	_ caddyhttp.MiddlewareHandler = (*ControlPlane)(nil)
	_ caddyfile.Unmarshaler       = (*ControlPlane)(nil)
)
