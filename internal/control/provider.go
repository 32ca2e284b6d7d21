package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// bound are the providers of one config, for this installation.
type bound struct {
	of, providers *provision.Providers
	installation  registry.InstallationID
}

// Providers are those of the config that counts now, for this installation. Providers keep no state
// of their own, so another config's go on where the last one's were.
func (c *Control) Providers() *provision.Providers {
	of, id := c.Tunables().Providers, *c.installation.Load()
	last := c.bound.Load()
	if last == nil || last.of != of || last.installation != id {
		next := &bound{of, of.For(id), id}
		if !c.bound.CompareAndSwap(last, next) {
			return c.Providers()
		}
		last = next
	}
	return last.providers
}

// configuration identifies all of the config that an instance keeps from its start: its provider's
// part, and the addresses in its environment.
func (c *Control) configuration(p provision.Provider) string {
	s := c.site()
	parts := []string{p.Configuration(), s.Issuer, s.OrgURL("")}
	if elsewhere(p) {
		parts = append(parts, c.tokens.KeyID()) // with another secret key, their tokens are void
	}
	parts = append(parts, c.redisPlace(p)...)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// logs reads what an org's instance prints; see provision.Provider.
func (c *Control) logs(
	ctx context.Context, org registry.OrgID, lines int, follow bool,
) (io.ReadCloser, error) {
	p, err := c.providerOf(ctx, org)
	if err != nil {
		return nil, err
	}
	return p.Logs(ctx, org, lines, follow)
}

// providerOf is what an org's instance runs under, or would be started by. Errors: CodeNotFound,
// CodeConflict (it is not configured).
func (c *Control) providerOf(
	ctx context.Context, org registry.OrgID,
) (provision.Provider, error) {
	w, err := c.store.WorkOn(ctx, registry.AsSystem("provider"), org)
	if err != nil {
		return nil, err
	}
	name := w.Instance.RunBy()
	if name == "" {
		name, _ = c.Providers().Next(w)
	}
	p, err := c.Providers().Get(name)
	if err != nil {
		return nil, registry.Errorf(registry.CodeConflict, "provider", "%s", err)
	}
	return p, nil
}

// use is what an org's instance uses, by limit, where its provider measures that.
func (c *Control) use(
	ctx context.Context, org registry.OrgID,
) map[registry.LimitName]float64 {
	w, err := c.store.WorkOn(ctx, registry.AsSystem("provider"), org)
	if err != nil || !w.Instance.State.Serves() {
		return nil
	}
	p, err := c.Providers().Get(w.Instance.RunBy())
	if m, ok := p.(provision.Meter); ok && err == nil {
		return m.Use(provision.Ref{OrgID: org, Generation: w.Instance.Generation})
	}
	return nil
}

// enforces tells to which limits an org's instance is held; of no org, to which every provider
// holds its instances.
func (c *Control) enforces(
	ctx context.Context, org registry.OrgID,
) (func(registry.LimitName) bool, error) {
	if org != "" {
		p, err := c.providerOf(ctx, org)
		if err != nil {
			return nil, err
		}
		return p.Enforces, nil
	}
	return func(name registry.LimitName) bool {
		for _, p := range c.Providers().All() {
			if !p.Enforces(name) {
				return false
			}
		}
		return true
	}, nil
}

// isolation says what separates instances: those of a provider, or all.
func (c *Control) isolation(provider string) string {
	if provider != "" {
		if p, err := c.Providers().Get(provider); err == nil {
			return p.Isolation()
		}
	}
	return c.Providers().Isolation()
}
