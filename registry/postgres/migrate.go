package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/registry"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Advisory locks: any numbers that nobody else has in this database.
const (
	lockControlPlane = 0x70697a7a61 // held as long as a control plane runs
	lockMigration    = 0x70697a7a62 // held as long as one migrates
	lockNode         = 0x70697a7a   // the first half of the lock of a node's name
)

// Migrate brings a database to the newest schema, without any secret key.
func Migrate(ctx context.Context, at Location) error {
	return migrated(ctx, at.config, false, func(context.Context, *sql.DB) error { return nil })
}

// migrated runs f with a database that is migrated, or already of a newer schema where that is
// allowed. One process at a time does; others wait.
func migrated(
	ctx context.Context, c *pgx.ConnConfig, newer bool, f func(context.Context, *sql.DB) error,
) (err error) {
	patient := c.Copy()
	patient.RuntimeParams["lock_timeout"] = "0"
	db := open(patient, 1, nil) // one session, which has the lock until it ends
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lockMigration)); err != nil {
		return err
	}
	if err := migrate(ctx, db, newer); err != nil {
		return err
	}
	return f(ctx, db)
}

func migrate(ctx context.Context, db *sql.DB, newer bool) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir)
	if err != nil {
		return err
	}
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	known, err := newest()
	if err != nil {
		return err
	}
	if newer && current > known {
		return nil
	}
	if current > known {
		return fmt.Errorf("the database has schema %d, but this program knows only up to %d: %w",
			current, known, registry.ErrSchema)
	}
	_, err = p.Up(ctx)
	return err
}

// newest returns the number of the newest migration.
func newest() (int64, error) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(entries[len(entries)-1].Name())
}
