package control

import (
	"context"
	"errors"
	"io"

	"github.com/pizzaface/pizzeria/provision"
)

// attended returns the present provider as one with agents.
func (p provider) attended() (provision.Attended, error) {
	if a, ok := p.now().(provision.Attended); ok {
		return a, nil
	}
	return nil, errors.ErrUnsupported
}

// Heartbeat implements provision.Attended.
func (p provider) Heartbeat(ctx context.Context, ref provision.Ref) (provision.Heartbeat, error) {
	a, err := p.attended()
	if err != nil {
		return provision.Heartbeat{}, err
	}
	return a.Heartbeat(ctx, ref)
}

// Revoke implements provision.Attended.
func (p provider) Revoke(ctx context.Context, ref provision.Ref, v provision.Revocation) error {
	a, err := p.attended()
	if err != nil {
		return err
	}
	return a.Revoke(ctx, ref, v)
}

// Metrics implements provision.Attended.
func (p provider) Metrics(ctx context.Context, ref provision.Ref) (io.ReadCloser, error) {
	a, err := p.attended()
	if err != nil {
		return nil, err
	}
	return a.Metrics(ctx, ref)
}

// Elsewhere implements provision.Remote.
func (p provider) Elsewhere() bool {
	r, ok := p.now().(provision.Remote)
	return ok && r.Elsewhere()
}

// Interface guards
var (
	_ provision.Attended = provider{}
	_ provision.Remote   = provider{}
)
