package api

import (
	"cmp"
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func (a *API) orgProvider() {
	type setProviderIn struct {
		ChangeIn
		Body struct {
			Provider    string `json:"provider" example:"process" doc:"name of a configured provider; empty: its plan's, or the default"`
			WithoutData bool   `json:"without_data,omitempty" doc:"also to a provider that does not have the org's data: you have moved the data, or the org starts with none"`
		}
	}
	declared(a, operation{
		ID:      "setOrgProvider",
		Method:  "PUT",
		Path:    "/orgs/{org}/provider",
		Summary: "Give an org a provider of its own, in place of its plan's",
		Action:  registry.ActionOrgPlan,
		Description: "The org's instance is stopped by the provider that it runs under, and started by " +
			"the new one. 409 if that does not have the org's data, unless `without_data` is true.",
	}, func(ctx context.Context, c web.Caller, in *setProviderIn) (*orgOut, error) {
		set := func(id registry.OrgID, v int64) error {
			o, err := a.Store.Authorize(ctx, c.Actor, id, registry.ActionOrgPlan)
			if err != nil {
				return err
			}
			err = registry.CheckProvider(in.Body.Provider, a.Providers().Names())
			if err == nil && !in.Body.WithoutData {
				err = a.checkData(ctx, c, o, in.Body.Provider)
			}
			if err != nil {
				return err
			}
			return a.Store.SetOrgProvider(ctx, c.Actor, id, v, in.Body.Provider)
		}
		return a.change(ctx, c, in.ChangeIn, registry.ActionOrgPlan, set)
	})
}

// checkData refuses a provider that does not have the data of an org that has some. "" is its
// plan's.
func (a *API) checkData(
	ctx context.Context, c web.Caller, o registry.OrgView, provider string,
) error {
	if provider == "" {
		p, err := a.Store.Plan(ctx, c.Actor, o.Plan)
		if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
			return err
		}
		provider = cmp.Or(p.Provider, a.Providers().Names()[0])
	}
	now := o.Instance.RunBy()
	if now == "" || a.Providers().Share(now, provider) {
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "provider",
		"the data of the org is with the provider %q, and %q does not have it: move it, and repeat "+
			"this with without_data (--without-data)", now, provider).Because(registry.ReasonDataElsewhere)
}
