package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
)

// Rekey replaces the secret key of an installation whose server does not run, and seals everything
// secret in the database again under the new one. The old key stays beside it, for older backups. It
// may be called again after it was broken off. It returns how many values there were. A key in the
// environment (env:NAME) is replaced by one that is there, too (newKey); else newKey is "".
func Rekey(
	ctx context.Context, dataDir string, at registry.Location, keyFile, newKey string,
) (n int, err error) {
	there, err := at.Exists()
	if err != nil {
		return 0, err
	}
	if !there {
		return 0, fmt.Errorf("there is no database %s", at)
	}
	unlock, err := Lock(dataDir, at)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	old, err := identity.LoadMasterKey(keyFile)
	if err != nil {
		return 0, err
	}
	key, put, err := nextKey(keyFile, newKey)
	if err != nil {
		return 0, err
	}
	store, err := connected(ctx, at, old)
	if errors.Is(err, registry.ErrSealed) { // broken off after the database had the new one
		store, err = connected(ctx, at, key)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if n, err = store.Reseal(ctx, registry.AsOperator(), key); err != nil {
		return 0, err
	}
	// Their keys are sealed under the old key; they are made again.
	found, err := filepath.Glob(filepath.Join(dataDir, "nodes", "*", snapshotName))
	if err != nil {
		return n, err
	}
	for _, file := range append(found, filepath.Join(dataDir, snapshotName)) {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return n, err
		}
	}
	return n, put()
}

func connected(
	ctx context.Context, at registry.Location, key registry.SecretKey,
) (registry.Store, error) {
	s, err := at.Open(key, time.Now)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// nextKey returns the key that replaces another, and what puts it in its place.
func nextKey(keyFile, newKey string) (key *identity.MasterKey, put func() error, err error) {
	if (identity.KeyVariable(keyFile) == "") != (newKey == "") || newKey != "" && identity.KeyVariable(newKey) == "" {
		return nil, nil, errors.New("a key in the environment is replaced by one in another variable: name both, as env:OLD and env:NEW; the new key of a file is made here")
	}
	if newKey != "" { // both stay the operator's
		key, err = identity.LoadMasterKey(newKey)
		return key, func() error { return nil }, err
	}
	// Whatever happens from here on, no key that may be in use is lost: the new one is a file before anything is sealed
	// under it, the old one is kept before the new one takes its place, and that is one rename.
	next := keyFile + ".next"
	if err := keepKey(keyFile, keyFile+".old"); err != nil {
		return nil, nil, err
	}
	key, err = identity.CreateMasterKey(next) // or the one of a time before, that may be in use
	return key, func() error { return os.Rename(next, keyFile) }, err
}

// keepKey copies a key file, and refuses to write over another key: an older backup may need it.
func keepKey(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	was, err := os.ReadFile(to)
	switch {
	case err == nil && bytes.Equal(was, b):
		return nil
	case err == nil:
		return fmt.Errorf("%s holds an older key, which older backups need: move it away first", to)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
