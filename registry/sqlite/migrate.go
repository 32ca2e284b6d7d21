package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/registry"
)

//go:embed migrations/*.sql
var files embed.FS

// migrations are the files, each run whole: SQLite takes many statements at once, and goose's own
// parser takes megabytes for each of them.
func migrations() ([]*goose.Migration, error) {
	entries, err := files.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, e := range entries {
		version, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, err
		}
		text, err := files.ReadFile(path.Join("migrations", e.Name()))
		if err != nil {
			return nil, err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, up); err != nil {
					return fmt.Errorf("%s: %w", e.Name(), err)
				}
				return nil
			},
		}, nil))
	}
	return all, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, nil,
		goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("not a readable database: %w", err)
	}
	if newest := all[len(all)-1].Version; current > newest {
		return fmt.Errorf(
			"the database has schema %d, but this program knows only up to %d: %w",
			current, newest, registry.ErrSchema)
	}
	_, err = p.Up(ctx)
	return err
}
