package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

func init() { caddy.RegisterModule(Postgres{}) }

// Postgres keeps everything in a PostgreSQL database, which one control plane uses, or with `node`
// several nodes. The data directory is apart from it: it still holds the secret key and the snapshot.
type Postgres struct {
	// How to connect: a URL such as `postgres://user@host:5432/database?sslmode=verify-full`, or
	// `keyword=value` pairs. Keep a password out of the config: write `{env.DATABASE_URL}`, or use
	// `PGPASSWORD` or a password file. A change takes effect when the server starts again.
	// Default: the `PG*` environment variables alone.
	URL string `json:"url,omitempty"`

	at postgres.Location
}

// CaddyModule returns the Caddy module information.
func (Postgres) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.stores.postgres", New: func() caddy.Module { return new(Postgres) }}
}

// Provision implements caddy.Provisioner. It connects to nothing.
func (p *Postgres) Provision(caddy.Context) (err error) {
	if err := expandAll(p); err != nil {
		return err
	}
	p.at, err = postgres.Parse(p.URL)
	return err
}

// DataDir implements Store: the default.
func (p *Postgres) DataDir() string { return "" }

// Location implements Store.
func (p *Postgres) Location(string) (registry.Location, error) { return p.at, nil }

// NodeLocation implements SharedStore.
func (p *Postgres) NodeLocation(_, node string) (registry.Location, error) {
	return p.at.Node(node), nil
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store postgres [<url>]
func (p *Postgres) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		p.URL = d.Val()
		if _, err := postgres.Parse(expanded(*p).URL); err != nil {
			return d.WrapErr(err)
		}
	}
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("store postgres takes one connection string and nothing else: put one with spaces in quotes")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Postgres)(nil)
	_ SharedStore           = (*Postgres)(nil)
	_ caddyfile.Unmarshaler = (*Postgres)(nil)
)
