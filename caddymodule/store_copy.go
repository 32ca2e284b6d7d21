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

// storeAt reads the name of a store: sqlite:<file>, or postgres: and a connection string, as a URL
// or as keyword=value pairs. Its errors never hold the name, which may have a password in it.
func storeAt(name string) (storecopy.Location, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case kind == "sqlite" && rest != "":
		path, err := filepath.Abs(rest)
		return sqlite.File(path), err
	case cli.IsURL(name):
		return postgres.Parse(name)
	case kind == "postgres":
		return postgres.Parse(rest)
	}
	return nil, errors.New("name each database as sqlite:data/pizzeria.db or " +
		"postgres://user@host:5432/database?sslmode=verify-full")
}
