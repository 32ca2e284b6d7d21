package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// InstanceEnvironment is what an instance elsewhere is to be given.
type InstanceEnvironment struct {
	Values   map[string]string `json:"environment" doc:"variables and their values"`
	Secrets  []string          `json:"secrets" doc:"variables among them that must stay secret"`
	Withheld []string          `json:"withheld" doc:"secret settings of the org, which are never shown again: get them from the org"`
}

const environmentText = "For an instance that you run yourself, under a provider that starts none. " +
	"It has the token with which this generation of the instance pushes its heartbeats. Each answer " +
	"is in the audit log."

func (a *API) instanceEnvironment() {
	type environmentOut struct{ Body InstanceEnvironment }
	inOrg(a, operation{ID: "showInstanceEnvironment", Method: "GET",
		Path:        "/orgs/{org}/instance/environment",
		Summary:     "Show what an org's instance that runs elsewhere is to be given",
		Description: environmentText, Action: registry.ActionInstanceEnv},
		func(
			ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath,
		) (*environmentOut, error) {
			if _, err := a.Store.Authorize(ctx, c.Actor, id, registry.ActionInstanceEnv); err != nil {
				return nil, err
			}
			env, err := a.Environment(ctx, id)
			if err != nil {
				return nil, err
			}
			return &environmentOut{env}, a.Store.ShowInstanceToken(ctx, c.Actor, id)
		})
}
