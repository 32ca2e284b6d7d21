package control

import (
	"context"
	"errors"
	"io"

	"github.com/pizzaface/pizzeria/provision"
)

// agents are those of the provider of the config that counts now, if it has any.
type agents struct{ tunables func() *Tunables }

func (a agents) now() (provision.Attended, error) {
	if p, ok := a.tunables().Provider.(provision.Attended); ok {
		return p, nil
	}
	return nil, errors.ErrUnsupported
}

// Heartbeat implements provision.Attended.
func (a agents) Heartbeat(ctx context.Context, ref provision.Ref) (provision.Heartbeat, error) {
	p, err := a.now()
	if err != nil {
		return provision.Heartbeat{}, err
	}
	return p.Heartbeat(ctx, ref)
}

// Revoke implements provision.Attended.
func (a agents) Revoke(ctx context.Context, ref provision.Ref, v provision.Revocation) error {
	p, err := a.now()
	if err != nil {
		return err
	}
	return p.Revoke(ctx, ref, v)
}

// Metrics implements provision.Attended.
func (a agents) Metrics(ctx context.Context, ref provision.Ref) (io.ReadCloser, error) {
	p, err := a.now()
	if err != nil {
		return nil, err
	}
	return p.Metrics(ctx, ref)
}

// elsewhere reports whether instances push their heartbeats.
func (c *Control) elsewhere() bool {
	r, ok := c.Tunables().Provider.(provision.Remote)
	return ok && r.Elsewhere()
}

// Interface guard
var _ provision.Attended = agents{}
