//go:build linux

package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
)

// credentialFile keeps the credential for an agent's socket, where no instance writes.
func (p *Provider) credentialFile(r provision.Ref) string {
	return filepath.Join(p.c.Dir, "run", "docker", ".credentials", baseName(r))
}

// newCredential makes an instance's credential. The caller has the org's lock.
func (p *Provider) newCredential(r provision.Ref) (string, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	path, text := p.credentialFile(r), hex.EncodeToString(secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return "", err
	}
	return text, os.Rename(path+".new", path)
}

func (p *Provider) agent(r provision.Ref) (hostside.Agent, error) {
	b, err := os.ReadFile(p.credentialFile(r))
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the instance has no agent here")
	}
	return hostside.Agent{Socket: filepath.Join(p.runDir(r), ownSocket), Credential: string(b)}, err
}

// Heartbeat implements provision.Attended.
func (p *Provider) Heartbeat(ctx context.Context, r provision.Ref) (h provision.Heartbeat, err error) {
	a, err := p.agent(r)
	if err == nil {
		h, err = a.Heartbeat(ctx, r)
	}
	return h, wrap(err)
}

// Revoke implements provision.Attended. Error: errors.ErrUnsupported also when the app checks
// assertions itself, since its agent sees no requests.
func (p *Provider) Revoke(ctx context.Context, r provision.Ref, v provision.Revocation) error {
	a, err := p.agent(r)
	if err == nil {
		err = a.Revoke(ctx, v)
	}
	return wrap(err)
}

// Enroll implements provision.Enroller. Error: errors.ErrUnsupported when the instance's profile has
// no runners.
func (p *Provider) Enroll(ctx context.Context, r provision.Ref, e provision.Enrolment) (env map[string]string, err error) {
	a, err := p.agent(r)
	if err == nil {
		env, err = a.Enroll(ctx, e)
	}
	return env, wrap(err)
}

// Metrics implements provision.Attended. It returns at most 5 MiB.
func (p *Provider) Metrics(ctx context.Context, r provision.Ref) (body io.ReadCloser, err error) {
	a, err := p.agent(r)
	if err == nil {
		body, err = a.Metrics(ctx)
	}
	return body, wrap(err)
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}

// Interface guards
var (
	_ provision.Attended = (*Provider)(nil)
	_ provision.Enroller = (*Provider)(nil)
)
