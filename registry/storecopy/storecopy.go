package storecopy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// Location is where a store is kept that can be copied.
type Location interface {
	registry.Location
	// Source begins to read the database, in one moment of it. Error: registry.ErrInUse.
	Source(ctx context.Context) (*Side, error)
	// Target begins to fill an empty database, which it creates or migrates.
	// Errors: ErrNotEmpty, registry.ErrInUse.
	Target(ctx context.Context) (*Side, error)
}

// ErrNotEmpty says that there is something in the database that was to be filled.
var ErrNotEmpty = errors.New("the target is not empty: name a new database")

// Side is one database of a copy, which nobody else uses until Close.
type Side struct {
	Tx *sql.Tx
	// Version is the number of the newest migration that ran, Newest that of the newest there is.
	Version, Newest int64
	// Columns is a query for all columns: table, name, type, and place in the primary key, 0 for none.
	// References is one for all foreign keys: table, table that it refers to.
	Columns, References string
	// Kinds are the kinds of values by type.
	Kinds map[string]Kind
	// Storable returns a text as the database stores it; nil: as it is.
	Storable func(string) string
	// Commit keeps what was written, Close drops what was not committed.
	Commit, Close func() error
}

// Report is what a copy came to.
type Report struct {
	// Tables counts rows.
	Tables []Count `json:"tables"`
	// Replaced counts, by table and column, texts with bytes that are now U+FFFD.
	Replaced []Count `json:"replaced,omitempty"`
	// Audit is nil where no secret key was given.
	Audit *registry.AuditReport `json:"audit,omitempty"`
}

// Count is a number of something.
type Count struct {
	Name string `json:"name"`
	N    int64  `json:"count"`
}

// Copy copies everything at one location to another, which is empty: all of it or nothing. The
// audit log is verified under the secret key, unless that is nil.
func Copy(
	ctx context.Context, from, to Location, key registry.SecretKey,
) (r Report, err error) {
	if from.String() == to.String() {
		return r, errors.New("source and target are the same database")
	}
	source, err := from.Source(ctx)
	if err != nil {
		return r, fmt.Errorf("store %s: %w", from, err)
	}
	defer func() { _ = source.Close() }() // it was only read
	if err := current(source); err != nil {
		return r, fmt.Errorf("store %s: %w", from, err)
	}
	target, err := to.Target(ctx)
	if err != nil {
		return r, fmt.Errorf("store %s: %w", to, err)
	}
	if r, err = fill(ctx, source, target, key); err == nil {
		err = target.Commit()
	}
	return r, errors.Join(sqlstore.Interrupted(ctx, err), target.Close())
}

// current refuses a source whose schema is not that of the target.
func current(s *Side) error {
	switch {
	case s.Version > s.Newest:
		return fmt.Errorf("the database has schema %d, but this program knows only up to %d: %w",
			s.Version, s.Newest, registry.ErrSchema)
	case s.Version < s.Newest:
		return fmt.Errorf("the database has schema %d, and this program needs %d: start the server "+
			"of this version with it once, stop it, and copy again", s.Version, s.Newest)
	}
	return nil
}

func fill(
	ctx context.Context, source, target *Side, key registry.SecretKey,
) (r Report, err error) {
	tables, err := paired(ctx, source, target)
	if err != nil {
		return r, err
	}
	if err := empty(ctx, target, tables); err != nil {
		return r, err
	}
	for _, t := range tables {
		if err := t.copy(ctx, source, target, &r); err != nil {
			return r, fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	for _, t := range tables {
		if err := t.verify(ctx, source, target); err != nil {
			return r, fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	if key == nil {
		return r, nil
	}
	audit, err := sqlstore.CheckAudit(ctx, target.Tx, key)
	r.Audit = &audit
	return r, err
}

// seeded are the tables in which migrations leave a row.
var seeded = map[string]bool{
	"audit_head": true, "audit_start": true, "feed_head": true, "meta": true,
}

// empty removes what the migrations left, and refuses a database with more in it.
func empty(ctx context.Context, target *Side, tables []*table) error {
	var filled []string
	for _, t := range tables {
		filled = append(filled, "SELECT '"+t.name+"' WHERE EXISTS (SELECT 1 FROM "+t.quoted+")")
	}
	var used string
	if err := each(ctx, target.Tx, strings.Join(filled, " UNION ALL "), func() error {
		if !seeded[used] {
			return fmt.Errorf("table %s: %w", used, ErrNotEmpty)
		}
		return nil
	}, &used); err != nil {
		return err
	}
	for name := range seeded {
		if _, err := target.Tx.ExecContext(ctx, "DELETE FROM "+quote(name)); err != nil {
			return err
		}
	}
	return nil
}
