package caddymodule

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/cli"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// copyStore copies a store whose server does not run to an empty one.
func copyStore(
	ctx context.Context, from, to, dataDir, keyFile string,
) (r storecopy.Report, err error) {
	source, err := storeAt(from)
	if err != nil {
		return r, err
	}
	target, err := storeAt(to)
	if err != nil {
		return r, err
	}
	unlock, err := runtime.Lock(dataDir, source, target)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	var key registry.SecretKey
	if keyFile != "" {
		if key, err = identity.LoadMasterKey(keyFile); err != nil {
			return r, err
		}
	}
	return storecopy.Copy(ctx, source, target, key)
}

// storeAt reads the name of a store: sqlite:<file>, a connection string of PostgreSQL, or env:NAME of
// either. Its errors never hold the name, which may have a password in it.
func storeAt(name string) (storecopy.Location, error) {
	name, err := cli.FromEnvironment(name)
	if err != nil {
		return nil, err
	}
	if file, is := strings.CutPrefix(name, "sqlite:"); is && file != "" {
		path, err := filepath.Abs(file)
		return sqlite.File(path), err
	}
	if pairs, is := strings.CutPrefix(name, "postgres:"); is && !strings.HasPrefix(pairs, "//") {
		return postgres.Parse(pairs)
	}
	if cli.IsPostgres(name) {
		return postgres.Parse(name)
	}
	return nil, errors.New("name each database as sqlite:data/pizzeria.db, by a connection string of " +
		"PostgreSQL, or as env:NAME")
}
