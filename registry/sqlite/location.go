package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// File is the absolute path of a database. It implements storecopy.Location.
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
	_ storecopy.Location = File("")
	_ registry.Store     = (*Store)(nil)
)
