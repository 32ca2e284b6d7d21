package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// Location is a database on a server, as Parse reads it. It implements
// storecopy.Location.
type Location struct {
	config *pgx.ConnConfig
	name   string
	node   string // that uses it beside others; "": one control plane alone does
}

// Node is the database as one of several nodes uses it. Each has a name of its own.
func (l Location) Node(name string) Location {
	l.node = name
	return l
}

// String implements registry.Location: a URL without the password.
func (l Location) String() string { return l.name }

// Dir implements registry.Location: none. Its lock is in the database.
func (l Location) Dir() string { return "" }

// Exists implements registry.Location: whether something is sealed in the database.
func (l Location) Exists() (there bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*connectTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return false, hint(err)
	}
	defer func() { _ = c.Close(ctx) }()
	err = c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM audit_epochs)`).Scan(&there)
	if is(err, undefinedTable) {
		return false, nil
	}
	return there, err
}

// Open implements registry.Location.
func (l Location) Open(key registry.SecretKey, now func() time.Time) (registry.Store, error) {
	return New(l, key, now)
}

// Interface guards
var (
	_ storecopy.Location = Location{}
	_ registry.Store     = (*Store)(nil)
	_ registry.Clock     = (*Store)(nil)
)
