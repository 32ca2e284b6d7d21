package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// intrudable is a provider that can show what separates its instances.
type intrudable interface {
	Intrude(ctx context.Context, from, at provision.Ref) ([]intruder.Finding, error)
}

// Intrude tries, from where an org's instance is, to reach another org's and the server, and returns
// what it got. Both must run.
func (c *Control) Intrude(ctx context.Context, from, at registry.OrgID) ([]intruder.Finding, error) {
	if from == at {
		return nil, registry.Errorf(registry.CodeInvalid, "at", "name two different orgs")
	}
	var refs [2]provision.Ref
	for n, org := range []registry.OrgID{from, at} {
		w, err := c.store.WorkOn(ctx, registry.AsSystem("verify-isolation"), org)
		if err != nil {
			return nil, err
		}
		if !w.Instance.State.Serves() {
			return nil, fmt.Errorf("the instance of %s does not run: it is %s", w.Slug, w.Instance.State)
		}
		refs[n] = provision.Ref{OrgID: org, Generation: w.Instance.Generation}
	}
	p, err := c.providerOf(ctx, from)
	if err != nil {
		return nil, err
	}
	i, ok := p.(intrudable)
	if !ok {
		return nil, fmt.Errorf("its provider, %s, cannot be tried: %w", p.Name(), errors.ErrUnsupported)
	}
	return i.Intrude(ctx, refs[0], refs[1])
}
