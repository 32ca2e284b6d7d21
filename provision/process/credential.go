//go:build linux || darwin

package process

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/provision"
)

// credentialsDir keeps the credentials for agents' sockets, where no instance writes.
const credentialsDir = ".credentials"

func (p *Provider) credentialFile(runDir string) string {
	return filepath.Join(p.c.Dir, "run", credentialsDir, filepath.Base(runDir))
}

// newCredential makes an instance's credential, unless there is one: two who start the same instance
// must tell its agent the same.
func (p *Provider) newCredential(r provision.Ref) (string, error) {
	path := p.credentialFile(p.runDir(r))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	made := path + "." + hex.EncodeToString(secret[:8])
	defer func() { _ = os.Remove(made) }()
	if err := os.WriteFile(made, []byte(hex.EncodeToString(secret)), 0o600); err != nil {
		return "", err
	}
	if err := os.Link(made, path); err != nil && !errors.Is(err, fs.ErrExist) { // whole, or not at all
		return "", err
	}
	return p.credential(r)
}

// credential returns an instance's. Error: errors.ErrUnsupported when there is none, as with
// instances that an earlier version has started.
func (p *Provider) credential(r provision.Ref) (string, error) {
	b, err := os.ReadFile(p.credentialFile(p.runDir(r)))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the instance has no agent: %w", errors.ErrUnsupported)
	}
	return string(b), err
}
