package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/external"
	"github.com/pizzaface/pizzeria/registry"
)

func init() { caddy.RegisterModule(External{}) }

// External leads orgs to instances that somebody else runs, over plain HTTP. Nothing is started or
// stopped: an org that is stopped is not led there.
type External struct {
	// Where the instances are, by the ID of the org (not its slug, which can be another org's later):
	// `host:port`, or `unix/` and the absolute path of a socket. Default: none.
	Instances map[string]string `json:"instances,omitempty"`

	// Say that all that listens at a TCP address checks assertions: the app there, or
	// `pizzeria-agent` in front of it. Without it only Unix sockets can be named. Default: `false`.
	ChecksAssertions bool `json:"checks_assertions,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (External) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.providers.external", New: func() caddy.Module { return new(External) }}
}

// Provision implements caddy.Provisioner.
func (p *External) Provision(caddy.Context) error { return expandAll(p) }

// NewProvider implements Provider.
func (p *External) NewProvider(string) (provision.Provider, error) {
	c := external.Config{
		Instances: map[registry.OrgID]string{}, ChecksAssertions: p.ChecksAssertions,
	}
	for org, address := range p.Instances {
		c.Instances[registry.OrgID(org)] = address
	}
	return external.New(c)
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	provider external {
//		instance <org ID> <address>
//		checks_assertions
//	}
func (p *External) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "instance":
			var org, address string
			if !d.AllArgs(&org, &address) {
				return d.ArgErr()
			}
			if p.Instances == nil {
				p.Instances = map[string]string{}
			}
			if _, ok := p.Instances[org]; ok {
				return d.Errf("instance %s is given twice", org)
			}
			p.Instances[org] = address
		case "checks_assertions":
			if p.ChecksAssertions {
				return d.Err("checks_assertions is given twice")
			}
			if p.ChecksAssertions = true; d.NextArg() {
				return d.ArgErr()
			}
		default:
			return d.Errf("unknown option %q: use instance or checks_assertions", d.Val())
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*External)(nil)
	_ Provider              = (*External)(nil)
	_ caddyfile.Unmarshaler = (*External)(nil)
)
