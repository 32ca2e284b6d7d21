package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Provider makes a provider; a guest module in `pizzeria.providers` implements it.
type Provider interface {
	NewProvider(dataDir string) (provision.Provider, error)
}

// NamedProvider is one of several providers.
type NamedProvider struct {
	// How plans, orgs and instances refer to it: 3 to 40 lower-case letters, digits and hyphens.
	// Keep it for as long as instances run under it. Default: the provider's own name, such as
	// `process`.
	Name string `json:"name,omitempty"`

	// What it is. Required.
	ProviderRaw json.RawMessage `json:"provider,omitempty" caddy:"namespace=pizzeria.providers inline_key=kind"`
}

// loadProviders makes the providers of the config.
func (a *App) loadProviders(ctx caddy.Context) (*provision.Providers, error) {
	if a.ProviderRaw != nil && len(a.Providers) > 0 {
		return nil, errors.New("there are provider and providers: put it first among the latter")
	}
	if a.ProviderRaw == nil && len(a.Providers) == 0 {
		a.ProviderRaw = caddyconfig.JSONModuleObject(Process{}, "kind", "process", nil)
	}
	if a.ProviderRaw != nil {
		p, err := a.loadProvider(ctx, a, "")
		if err != nil {
			return nil, err
		}
		return provision.NewProviders(p)
	}
	var list []provision.Named
	for i := range a.Providers {
		named := &a.Providers[i]
		if err := checkProviderName(named.Name); err != nil {
			return nil, err
		}
		if named.ProviderRaw == nil {
			return nil, fmt.Errorf("providers: number %d has no provider", i+1)
		}
		p, err := a.loadProvider(ctx, named, named.Name)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return provision.NewProviders(list...)
}

// loadProvider makes the provider in the field ProviderRaw of a struct.
func (a *App) loadProvider(ctx caddy.Context, in any, name string) (provision.Named, error) {
	module, err := ctx.LoadModule(in, "ProviderRaw")
	if err != nil {
		return provision.Named{}, fmt.Errorf("provider: %w", err)
	}
	p, err := module.(Provider).NewProvider(a.DataDir)
	if err != nil {
		return provision.Named{}, err
	}
	return provision.Named{Name: cmp.Or(name, p.Name()), Provider: p}, nil
}

func checkProviderName(name string) error {
	if name == "" || registry.ValidSlug(name) {
		return nil
	}
	return fmt.Errorf(
		"%q cannot name a provider: use 3 to 40 lower-case letters, digits and hyphens", name)
}

// parseProvider parses one of the providers: `provider <kind> [<name>] ...`. The guest module gets
// what is left without the name.
func (a *App) parseProvider(d *caddyfile.Dispenser) error {
	const namespace = "pizzeria.providers."
	kind, err := guestKind(d, namespace)
	if err != nil {
		return err
	}
	at := *d
	tokens := d.NextSegment()
	var name string
	if len(tokens) > 1 && tokens[1].Line == tokens[0].Line && tokens[1].Text != "{" {
		name = tokens[1].Text
		tokens = append(tokens[:1:1], tokens[2:]...)
	}
	if err := checkProviderName(expanded(name)); err != nil {
		return at.WrapErr(err)
	}
	for _, p := range a.parsed {
		if cmp.Or(p.Name, p.kind) == cmp.Or(name, kind) {
			return at.Errf("there are two providers %q: give one of them another name, as in "+
				"`provider %s <name>`", cmp.Or(name, kind), kind)
		}
	}
	rest := caddyfile.NewDispenser(tokens)
	rest.Next()
	u, err := caddyfile.UnmarshalModule(rest, namespace+kind)
	if err != nil {
		return err
	}
	raw := caddyconfig.JSONModuleObject(u, "kind", kind, nil)
	a.parsed = append(a.parsed, parsedProvider{NamedProvider{name, raw}, kind})
	return nil
}

type parsedProvider struct {
	NamedProvider
	kind string
}

// useParsed puts the providers of the Caddyfile where the JSON has them: a lone one without a name
// is simpler there.
func (a *App) useParsed() {
	if len(a.parsed) == 1 && a.parsed[0].Name == "" {
		a.ProviderRaw = a.parsed[0].ProviderRaw
		return
	}
	for _, p := range a.parsed {
		a.Providers = append(a.Providers, p.NamedProvider)
	}
}
