package control

import (
	"context"
	"errors"
	"io"

	"github.com/pizzaface/pizzeria/provision"
)

// agents are those of the instances that serve, whichever providers they run under.
type agents struct{ c *Control }

var errNotServing = errors.New("the instance does not serve")

func (a agents) of(ref provision.Ref) (provision.Attended, error) {
	name, ok := a.c.reconciler.RunBy(ref)
	if !ok {
		return nil, errNotServing
	}
	set := a.c.Providers()
	if p, err := set.Get(name); err == nil && elsewhere(p) {
		return nil, errors.ErrUnsupported // it pushes
	}
	return set.Attended(name)
}

// Heartbeat implements provision.Attended.
func (a agents) Heartbeat(ctx context.Context, ref provision.Ref) (provision.Heartbeat, error) {
	p, err := a.of(ref)
	if err != nil {
		return provision.Heartbeat{}, err
	}
	return p.Heartbeat(ctx, ref)
}

// Revoke implements provision.Attended.
func (a agents) Revoke(ctx context.Context, ref provision.Ref, v provision.Revocation) error {
	p, err := a.of(ref)
	if err != nil {
		return err
	}
	return p.Revoke(ctx, ref, v)
}

// Enroll implements provision.Enroller.
func (a agents) Enroll(ctx context.Context, ref provision.Ref, e provision.Enrolment) (map[string]string, error) {
	p, err := a.of(ref)
	if err != nil {
		return nil, err
	}
	enroller, ok := p.(provision.Enroller)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return enroller.Enroll(ctx, ref, e)
}

// Metrics implements provision.Attended.
func (a agents) Metrics(ctx context.Context, ref provision.Ref) (io.ReadCloser, error) {
	p, err := a.of(ref)
	if err != nil {
		return nil, err
	}
	return p.Metrics(ctx, ref)
}

// Interface guards
var (
	_ provision.Attended = agents{}
	_ provision.Enroller = agents{}
)
