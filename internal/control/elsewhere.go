package control

import (
	"context"
	"maps"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/heartbeat"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	tokenVariable = "PIZZERIA_INSTANCE_TOKEN" //nolint:gosec // a name
	anyGeneration = "-1"                      // see assertion.AnyGeneration
)

// elsewhere reports whether a provider's instances are on other machines; see provision.Remote.
func elsewhere(p provision.Provider) bool {
	r, ok := p.(provision.Remote)
	return ok && r.Elsewhere()
}

// push is where an instance elsewhere pushes its heartbeats, and with which token.
func (c *Control) push(w registry.Work) map[string]string {
	issuer := c.site().Issuer
	ref := provision.Ref{OrgID: w.Instance.OrgID, Generation: w.Instance.Generation}
	return map[string]string{
		"PIZZERIA_HEARTBEAT_URL": heartbeat.URL(issuer, ref),
		tokenVariable:            c.tokens.Of(issuer, ref).Reveal(),
	}
}

// environmentElsewhere is what somebody else gives an org's instance; see api.API. It accepts
// assertions for every generation: nobody tells it when there is a new one. The org's own secrets
// are for the org to tell, which was promised that they are never shown again.
func (c *Control) environmentElsewhere(
	ctx context.Context, org registry.OrgID,
) (out api.InstanceEnvironment, err error) {
	w, err := c.store.WorkOn(ctx, registry.AsSystem("environment"), org)
	if err != nil {
		return out, err
	}
	p, err := c.providerOf(ctx, org)
	if err != nil {
		return out, err
	}
	if !elsewhere(p) {
		return out, registry.Errorf(registry.CodeConflict, "provider",
			"the provider %s starts the instance and gives it its environment", p.Name())
	}
	env, secrets, err := c.settings.Environment(ctx, org)
	if err != nil {
		return out, err
	}
	for _, name := range secrets {
		delete(env, name)
	}
	maps.Copy(env, c.contract(w))
	maps.Copy(env, c.push(w))
	env["PIZZERIA_ORG_GENERATION"] = anyGeneration
	env["PIZZERIA_JWKS_URI"] = c.site().Issuer + "/.well-known/jwks/assertion.json"
	return api.InstanceEnvironment{
		Values: env, Secrets: []string{tokenVariable}, Withheld: append([]string{}, secrets...),
	}, nil
}
