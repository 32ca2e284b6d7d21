package caddymodule

import (
	"cmp"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

func init() { caddy.RegisterModule(SQLite{}) }

// SQLite keeps everything in one SQLite file, for one node.
type SQLite struct {
	// The database file. Default: `pizzeria.db` in the `data_dir`.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (SQLite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.stores.sqlite", New: func() caddy.Module { return new(SQLite) }}
}

// Provision implements caddy.Provisioner.
func (s *SQLite) Provision(caddy.Context) error { return expandAll(s) }

// DataDir implements Store: the directory of the database.
func (s *SQLite) DataDir() string {
	if s.Path == "" {
		return ""
	}
	return filepath.Dir(s.Path)
}

// Location implements Store.
func (s *SQLite) Location(dataDir string) (registry.Location, error) {
	path, err := filepath.Abs(cmp.Or(s.Path, filepath.Join(dataDir, "pizzeria.db")))
	return sqlite.File(path), err
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
