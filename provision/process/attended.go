//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Logs implements provision.Provider.
func (p *Provider) Logs(ctx context.Context, org registry.OrgID, lines int, follow bool) (io.ReadCloser, error) {
	return hostside.Logs(ctx, p.LogFile(org), lines, follow)
}

// Heartbeat implements provision.Attended.
func (p *Provider) Heartbeat(ctx context.Context, r provision.Ref) (h provision.Heartbeat, err error) {
	a, err := p.agent(r)
	if err == nil {
		h, err = a.Heartbeat(ctx, r)
	}
	return h, p.attended(r, err)
}

// Revoke implements provision.Attended. Error: errors.ErrUnsupported also when the app checks
// assertions itself, since its agent sees no requests.
func (p *Provider) Revoke(ctx context.Context, r provision.Ref, v provision.Revocation) error {
	a, err := p.agent(r)
	if err == nil {
		err = a.Revoke(ctx, v)
	}
	return p.attended(r, err)
}

// Enroll implements provision.Enroller. Error: errors.ErrUnsupported when the instance's profile has
// no runners.
func (p *Provider) Enroll(ctx context.Context, r provision.Ref, e provision.Enrolment) (env map[string]string, err error) {
	a, err := p.agent(r)
	if err == nil {
		env, err = a.Enroll(ctx, e)
	}
	return env, p.attended(r, err)
}

// Metrics implements provision.Attended. It returns at most 5 MiB.
func (p *Provider) Metrics(ctx context.Context, r provision.Ref) (body io.ReadCloser, err error) {
	a, err := p.agent(r)
	if err == nil {
		body, err = a.Metrics(ctx)
	}
	return body, p.attended(r, err)
}

func (p *Provider) agent(r provision.Ref) (hostside.Agent, error) {
	credential, err := p.credential(r)
	return hostside.Agent{Socket: filepath.Join(p.runDir(r), ownSocket), Credential: credential}, err
}

// attended tells an agent that does not answer from an earlier version's, which has no socket.
func (p *Provider) attended(r provision.Ref, err error) error {
	if errors.Is(err, fs.ErrNotExist) && held(p.runDir(r)) {
		err = errors.ErrUnsupported
	}
	if err != nil {
		err = fmt.Errorf("process: %w", err)
	}
	return err
}

// Interface guard
var (
	_ provision.Attended = (*Provider)(nil)
	_ provision.Enroller = (*Provider)(nil)
)
