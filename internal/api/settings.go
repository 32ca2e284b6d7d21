package api

import (
	"context"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type settingsOut struct {
	ETag string `header:"ETag" doc:"the settings' version, for If-Match"`
	Body struct {
		Items  []registry.Setting `json:"items" doc:"current settings"`
		Schema registry.Schema    `json:"schema" doc:"what the operator allows to set"`
	}
}

func (a *API) settings() {
	show := func(ctx context.Context, c web.Caller, id registry.OrgID) (*settingsOut, error) {
		list, err := a.Store.Settings(ctx, c.Actor, id)
		out := new(settingsOut)
		out.ETag = strconv.Quote(registry.SettingsVersion(list))
		out.Body.Items, out.Body.Schema = list, a.Settings.Schema()
		return out, err
	}
	inOrg(a, operation{ID: "showSettings", Method: "GET", Path: "/orgs/{org}/settings", Summary: "Show the settings of an org's instance", Action: registry.ActionSettingsRead, Description: "Secrets are never shown again."},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*settingsOut, error) {
			return show(ctx, c, id)
		})

	type setIn struct {
		ChangeIn
		Body struct {
			Values  map[string]*string `json:"values,omitempty" doc:"environment variables to set; null unsets one"`
			Secrets map[string]*string `json:"secrets,omitempty" doc:"like values, but write-only; fields of type secret always are"`
			Restart bool               `json:"restart,omitempty" doc:"restart the instance now; otherwise the change applies at its next start"`
		}
	}
	inOrg(a, operation{ID: "updateSettings", Method: "PATCH", Path: "/orgs/{org}/settings", Summary: "Change settings of an org's instance", Action: registry.ActionSettingsWrite},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *setIn) (*settingsOut, error) {
			// Both permissions come first: no settings change without the restart that was asked for.
			o, err := a.Store.Authorize(ctx, c.Actor, id, registry.ActionSettingsWrite)
			if err == nil && in.Body.Restart {
				_, err = a.Store.Authorize(ctx, c.Actor, id, registry.ActionInstanceRestart)
			}
			if err != nil {
				return nil, err
			}
			version, err := in.Precondition.version()
			if err != nil {
				return nil, err
			}
			if err := a.Settings.Set(ctx, c.Actor, id, version, in.Body.Values, in.Body.Secrets); err != nil {
				return nil, err
			}
			// What does not run gets them when it starts.
			if in.Body.Restart && o.Instance.Desired == registry.DesiredRunning {
				if err := a.Store.RestartInstance(ctx, c.Actor, id, 0); err != nil {
					return nil, err
				}
			}
			return show(ctx, c, id)
		})
}
