package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/external"
	"github.com/pizzaface/pizzeria/registry"
)

func init() { caddy.RegisterModule(External{}) }

// External leads orgs to instances that somebody else runs. Nothing is started or
// stopped: an org that is stopped is not led there.
type External struct {
	// Where the instances are, by the ID of the org (not its slug, which can be another org's
	// later): `host:port`, or `unix/` and the absolute path of a socket. Default: none.
	Instances map[string]string `json:"instances,omitempty"`

	// Say that all that listens at a TCP address checks assertions: the app there, or
	// `pizzeria-agent` in front of it. Without this or `tls` only Unix sockets can be named.
	// Default: `false`.
	ChecksAssertions bool `json:"checks_assertions,omitempty"`

	// Reach TCP addresses over TLS. Default: plain HTTP.
	TLS *ExternalTLS `json:"tls,omitempty"`
}

// ExternalTLS says how instances elsewhere are talked to. The files are in PEM, and read when the
// config is loaded.
type ExternalTLS struct {
	// The certificates that are trusted. Default: those of the system.
	CA string `json:"ca,omitempty"`
	// The certificate that the gateway shows. Default: none.
	Cert string `json:"cert,omitempty"`
	// The key of `cert`. Default: none.
	Key string `json:"key,omitempty"`
	// Whom the certificates of the instances must name. Default: the host of the address.
	ServerName string `json:"server_name,omitempty"`
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
	if t := p.TLS; t != nil {
		var err error
		c.TLS, err = external.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}.Load()
		if err != nil {
			return nil, fmt.Errorf("external: %w", err)
		}
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
//		tls {
//			ca          <file>
//			cert        <file>
//			key         <file>
//			server_name <name>
//		}
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
		case "tls":
			if p.TLS != nil {
				return d.Err("tls is given twice")
			}
			p.TLS = new(ExternalTLS)
			if err := p.TLS.unmarshal(d); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q: use instance, checks_assertions or tls", d.Val())
		}
	}
	return nil
}

func (t *ExternalTLS) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	options := map[string]*string{
		"ca": &t.CA, "cert": &t.Cert, "key": &t.Key, "server_name": &t.ServerName,
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		into, ok := options[name]
		switch {
		case !ok:
			return d.Errf("unknown option %q of tls: use ca, cert, key or server_name", name)
		case *into != "":
			return d.Errf("%s is given twice", name)
		case !d.AllArgs(into) || *into == "":
			return d.ArgErr()
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
