package control

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/pizzaface/pizzeria/provision"
)

// keyFile is the file of assertion keys that instances read. It is alone in its directory; see
// provision.Spec.
type keyFile struct {
	path   string
	former string // where instances of an earlier version read it
	mu     sync.Mutex
}

func newKeyFile(dataDir string) *keyFile {
	return &keyFile{
		path:   filepath.Join(dataDir, "keys", provision.KeysFile),
		former: filepath.Join(dataDir, provision.KeysFile),
	}
}

func (k *keyFile) dir() string { return filepath.Dir(k.path) }

// write replaces the file, and the former one where it is.
func (k *keyFile) write(jwks []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := os.MkdirAll(k.dir(), 0o755); err != nil { //nolint:gosec // public keys
		return err
	}
	err := replace(k.path, jwks)
	if _, there := os.Stat(k.former); there == nil {
		err = errors.Join(err, replace(k.former, jwks))
	}
	return err
}

// replace writes a file as a whole: nobody reads a part of it.
func replace(path string, b []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // several nodes may
	if err != nil {
		return err
	}
	_, err = next.Write(b)
	err = errors.Join(err, next.Chmod(0o644), next.Close()) // public keys
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}
