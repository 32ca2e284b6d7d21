package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Named is a provider under its name in the config, by which plans, orgs and instances refer to it.
type Named struct {
	Name string
	Provider
}

// Providers are the providers of an installation; the first is the default. A Provider knows
// nothing of the others.
type Providers struct{ list []Named }

// NewProviders names providers. There must be one, and each name must be there once.
func NewProviders(list ...Named) (*Providers, error) {
	if len(list) == 0 {
		return nil, errors.New("there is no provider")
	}
	for i, n := range list {
		if slices.ContainsFunc(list[:i], func(o Named) bool { return o.Name == n.Name }) {
			return nil, fmt.Errorf("there are two providers %q: give one of them another name", n.Name)
		}
	}
	return &Providers{list}, nil
}

// For returns the providers of one installation's instances; see Provider.
func (p *Providers) For(id registry.InstallationID) *Providers {
	bound := &Providers{slices.Clone(p.list)}
	for i, n := range bound.list {
		bound.list[i].Provider = n.For(id)
	}
	return bound
}

// All returns the providers in their order.
func (p *Providers) All() []Named { return p.list }

// Names returns their names in their order.
func (p *Providers) Names() (names []string) {
	for _, n := range p.list {
		names = append(names, n.Name)
	}
	return names
}

// Default is the name of the provider of orgs that have no other.
func (p *Providers) Default() string { return p.list[0].Name }

// Get returns a provider by name, "" for the default. Error: it is not configured.
func (p *Providers) Get(name string) (Provider, error) {
	name = cmp.Or(name, p.Default())
	for _, n := range p.list {
		if n.Name == name {
			return n.Provider, nil
		}
	}
	return nil, fmt.Errorf("the provider %q is not configured any more: configure it again, and give "+
		"its orgs another one before you remove it", name)
}

// Share reports whether an org that moves between two providers finds its data.
func (p *Providers) Share(from, to string) bool {
	if cmp.Or(from, p.Default()) == cmp.Or(to, p.Default()) {
		return true
	}
	place := func(name string) string {
		if found, err := p.Get(name); err == nil {
			if k, ok := found.(Keeper); ok {
				return k.Place()
			}
		}
		return ""
	}
	at := place(from)
	return at != "" && at == place(to)
}

// Next is the provider that an instance is started by. Its generation keeps the one that it was
// started by once. Otherwise its org's own counts, which a person chose, and then the plan's; but a
// plan leads no org away from its data.
func (p *Providers) Next(w registry.Work) (name string, away bool) {
	i := w.Instance
	if i.Provider != "" {
		return i.Provider, false
	}
	name = cmp.Or(w.OrgProvider, w.PlanProvider, p.Default())
	if w.OrgProvider == "" && i.Previous != "" && !p.Share(i.Previous, name) {
		return i.Previous, true
	}
	return name, false
}

// grace is how long an instance of any of them may take to stop.
func (p *Providers) grace() (most time.Duration) {
	for _, n := range p.list {
		most = max(most, n.Grace())
	}
	return most
}

// Isolation says what separates instances, by provider where there are several.
func (p *Providers) Isolation() string {
	if len(p.list) == 1 {
		return p.list[0].Isolation()
	}
	var all []string
	for _, n := range p.list {
		all = append(all, n.Name+": "+n.Isolation())
	}
	return strings.Join(all, "; ")
}

// Attended returns the named provider, if its instances may have agents. Errors: it is not
// configured; errors.ErrUnsupported.
func (p *Providers) Attended(name string) (Attended, error) {
	found, err := p.Get(name)
	if err != nil {
		return nil, err
	}
	a, ok := found.(Attended)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return a, nil
}

// Found is an instance as the named provider sees it.
type Found struct {
	Provider string
	Seen
}

// List asks all providers for what runs. Those of failed did not answer.
func (p *Providers) List(ctx context.Context) (all []Found, failed map[string]error) {
	failed = map[string]error{}
	for _, n := range p.list {
		seen, err := n.List(ctx)
		if err != nil {
			failed[n.Name] = err
			continue
		}
		for _, s := range seen {
			all = append(all, Found{n.Name, s})
		}
	}
	return all, failed
}
