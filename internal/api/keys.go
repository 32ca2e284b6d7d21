package api

import (
	"context"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type keyOut struct {
	Located
	Body struct {
		Key    registry.APIKey `json:"key" doc:"the key, without its secret"`
		Secret string          `json:"secret" shown:"once" doc:"the key itself, for Authorization: Bearer; shown only now"`
	}
}

func (a *API) makeKey(ctx context.Context, c web.Caller, n registry.NewAPIKey, days int) (*keyOut, error) {
	n.Life = time.Duration(days) * 24 * time.Hour
	k, secret, err := a.Identity.CreateAPIKey(ctx, c.Actor, n)
	out := new(keyOut)
	out.Body.Key, out.Body.Secret = k, secret.Reveal()
	if out.Located = at(ctx, "me", "keys", string(k.ID)); n.Role != "" {
		out.Located = inside(ctx, k.OrgID, "keys", string(k.ID))
	}
	return out, err
}

func (a *API) keys() {
	const scopesText = "A key never does more than its holder: a scope only leaves things out, and `:write` includes `:read`."
	declared(a, operation{ID: "listMyKeys", Action: registry.ActionAccountManage, Method: "GET", Path: "/me/keys", Summary: "List your keys"},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[registry.APIKey], error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			list, err := a.Store.APIKeys(ctx, c.Actor, "")
			return &listOut[registry.APIKey]{registry.Page[registry.APIKey]{Items: list}}, err
		})

	type createMyKeyIn struct {
		Body struct {
			Name   string           `json:"name" example:"deploy" doc:"label that tells the key from others"`
			Scopes []registry.Scope `json:"scopes" enum:"org:read,org:write,member:read,member:write,instance:read,instance:write,settings:read,settings:write,webhook:read,webhook:write,runner:read,runner:write,audit:read,platform" minItems:"1" doc:"what the key may do at most"`
			Org    string           `json:"org,omitempty" doc:"ID or slug of the only org that the key reaches; default: all of yours"`
			Days   int              `json:"days,omitempty" minimum:"1" maximum:"366" doc:"lifetime of the key, in days; default: 90"`
		}
	}
	declared(a, operation{ID: "createMyKey", Action: registry.ActionCredentialMake, Method: "POST", Path: "/me/keys", Summary: "Make a key of your own (pza_)", Description: scopesText, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *createMyKeyIn) (*keyOut, error) {
			n := registry.NewAPIKey{Name: in.Body.Name, Scopes: in.Body.Scopes}
			if in.Body.Org != "" {
				id, err := OrgPath{in.Body.Org}.id(ctx, a, c)
				if err != nil {
					return nil, err
				}
				n.OrgID = id
			}
			return a.makeKey(ctx, c, n, in.Body.Days)
		})

	type keyPath struct {
		Key string `path:"key" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the key"`
	}
	type showOut struct{ Body registry.APIKey }
	show := func(id string, list []registry.APIKey, err error) (*showOut, error) {
		k, err := pick("key", list, err, func(k registry.APIKey) bool { return string(k.ID) == id })
		return &showOut{k}, err
	}
	declared(a, operation{ID: "showMyKey", Action: registry.ActionAccountManage, Method: "GET", Path: "/me/keys/{key}", Summary: "Show a key of yours"},
		func(ctx context.Context, c web.Caller, in *keyPath) (*showOut, error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			list, err := a.Store.APIKeys(ctx, c.Actor, "")
			return show(in.Key, list, err)
		})
	declared(a, operation{ID: "revokeMyKey", Action: registry.ActionAccountManage, Method: "DELETE", Path: "/me/keys/{key}", Summary: "Revoke a key of yours"},
		func(ctx context.Context, c web.Caller, in *keyPath) (*none, error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			return &none{}, a.Store.RevokeAPIKey(ctx, c.Actor, "", registry.APIKeyID(in.Key))
		})

	inOrg(a, operation{ID: "listKeys", Method: "GET", Path: "/orgs/{org}/keys", Summary: "List an org's own keys", Action: registry.ActionKeyRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*listOut[registry.APIKey], error) {
			list, err := a.Store.APIKeys(ctx, c.Actor, id)
			return &listOut[registry.APIKey]{registry.Page[registry.APIKey]{Items: list}}, err
		})

	type createKeyIn struct {
		OrgPath
		Body struct {
			Name   string           `json:"name" example:"backup" doc:"label that tells the key from others"`
			Role   registry.Role    `json:"role" enum:"member,admin" example:"member" doc:"role of the key in the org, at most your own"`
			Scopes []registry.Scope `json:"scopes" enum:"org:read,org:write,member:read,member:write,instance:read,instance:write,settings:read,settings:write,webhook:read,webhook:write,runner:read,runner:write,audit:read" minItems:"1" doc:"what the key may do at most"`
			Days   int              `json:"days,omitempty" minimum:"1" maximum:"366" doc:"lifetime of the key, in days; default: 90"`
		}
	}
	inOrg(a, operation{ID: "createKey", Method: "POST", Path: "/orgs/{org}/keys", Summary: "Make a key of an org's own (pzs_)", Description: scopesText, Action: registry.ActionKeyManage, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *createKeyIn) (*keyOut, error) {
			return a.makeKey(ctx, c, registry.NewAPIKey{Name: in.Body.Name, OrgID: id, Role: in.Body.Role, Scopes: in.Body.Scopes}, in.Body.Days)
		})

	type orgKeyPath struct {
		OrgPath
		Key string `path:"key" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the key"`
	}
	inOrg(a, operation{ID: "showKey", Method: "GET", Path: "/orgs/{org}/keys/{key}", Summary: "Show a key of an org", Action: registry.ActionKeyRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgKeyPath) (*showOut, error) {
			list, err := a.Store.APIKeys(ctx, c.Actor, id)
			return show(in.Key, list, err)
		})
	inOrg(a, operation{ID: "revokeKey", Method: "DELETE", Path: "/orgs/{org}/keys/{key}", Summary: "Revoke a key of an org", Action: registry.ActionKeyManage},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgKeyPath) (*none, error) {
			return &none{}, a.Store.RevokeAPIKey(ctx, c.Actor, id, registry.APIKeyID(in.Key))
		})
}
