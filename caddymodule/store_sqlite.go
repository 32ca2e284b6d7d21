package caddymodule

import (
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(SQLite{}) }

// SQLite keeps everything in one SQLite file, for one node. Beside the file lie
// the secret key, a lock, and what the providers need.
type SQLite struct {
	// The database file. Default: `./data/pizzeria.db`.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (SQLite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.stores.sqlite", New: func() caddy.Module { return new(SQLite) }}
}

// Provision implements caddy.Provisioner.
func (s *SQLite) Provision(caddy.Context) error { return expandAll(s) }

// Database implements Store.
func (s *SQLite) Database() (string, error) {
	if s.Path == "" {
		s.Path = "./data/pizzeria.db"
	}
	return filepath.Abs(s.Path)
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store sqlite [<path>]
func (s *SQLite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		s.Path = d.Val()
	}
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("store sqlite takes one path and nothing else")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*SQLite)(nil)
	_ Store                 = (*SQLite)(nil)
	_ caddyfile.Unmarshaler = (*SQLite)(nil)
)
