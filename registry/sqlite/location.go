package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// File is the absolute path of a database. It implements registry.Location.
type File string

// String implements registry.Location.
func (f File) String() string { return string(f) }

// Dir implements registry.Location.
func (f File) Dir() string { return filepath.Dir(string(f)) }

// Exists implements registry.Location.
func (f File) Exists() (bool, error) {
	_, err := os.Stat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Open implements registry.Location.
func (f File) Open(key registry.SecretKey, now func() time.Time) (registry.Store, error) {
	return New(string(f), key, now)
}

// Interface guards
var (
	_ registry.Location = File("")
	_ registry.Store    = (*Store)(nil)
)
