package caddymodule

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/pizzaface/pizzeria/internal/runtime"
)

func init() { caddy.RegisterModule(Permission{}) }

// Permission lets certificates be obtained on demand for the control plane's
// name and for orgs that exist, and for nothing else: whoever connects with
// other names makes no certificate authority be asked.
type Permission struct {
	runtime *runtime.Runtime
}

// CaddyModule returns the Caddy module information.
func (Permission) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.permission.org", New: func() caddy.Module { return new(Permission) }}
}

// Provision implements caddy.Provisioner.
func (p *Permission) Provision(ctx caddy.Context) (err error) {
	p.runtime, err = runtimeOf(ctx)
	return err
}

// CertificateAllowed implements caddytls.OnDemandPermission.
func (p *Permission) CertificateAllowed(ctx context.Context, name string) error {
	if err := p.runtime.Ready(ctx); err != nil {
		return err
	}
	return p.runtime.Exists(ctx, name)
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	permission org
func (*Permission) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("permission org takes no options")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Permission)(nil)
	_ caddytls.OnDemandPermission = (*Permission)(nil)
	_ caddyfile.Unmarshaler       = (*Permission)(nil)
)
