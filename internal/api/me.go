package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type meBody struct {
	Kind          registry.ActorKind `json:"kind" enum:"user,operator,service" doc:"kind of caller"`
	PlatformAdmin bool               `json:"platform_admin" doc:"you manage all orgs and accounts"`
	User          *registry.User     `json:"user,omitempty" doc:"your account; absent for the operator and service keys"`
	Orgs          []registry.OrgView `json:"orgs" doc:"orgs that you are a member of; for a key, those that it may read"`
}

type meOut struct{ Body meBody }

func (a *API) me() {
	declared(a, operation{ID: "showMe", Method: "GET", Path: "/me", Summary: "Who you are, and your orgs"},
		func(ctx context.Context, c web.Caller, _ *none) (*meOut, error) { return a.whoIs(ctx, c) })

	type updateMeIn struct {
		Body struct {
			Name string `json:"name" example:"Ada" doc:"your display name, 1 to 80 characters"`
		}
	}
	declared(a, operation{ID: "updateMe", Action: registry.ActionAccountManage, Method: "PATCH", Path: "/me", Summary: "Change your name"},
		func(ctx context.Context, c web.Caller, in *updateMeIn) (*meOut, error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			if err := a.Store.UpdateUser(ctx, c.Actor, c.Actor.User, registry.UserChange{Name: &in.Body.Name}); err != nil {
				return nil, err
			}
			return a.whoIs(ctx, c)
		})

	declared(a, operation{ID: "listMySessions", Action: registry.ActionAccountManage, Method: "GET", Path: "/me/sessions", Summary: "List where you are signed in"},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[registry.Session], error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			list, err := a.Store.Sessions(ctx, c.Actor, c.Actor.User)
			return &listOut[registry.Session]{registry.Page[registry.Session]{Items: list}}, err
		})

	declared(a, operation{ID: "endMySessions", Action: registry.ActionAccountManage, Method: "DELETE", Path: "/me/sessions", Summary: "Sign out everywhere else"},
		func(ctx context.Context, c web.Caller, _ *none) (*none, error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			return &none{}, a.Store.RevokeSessions(ctx, c.Actor, c.Actor.User, c.Actor.Session)
		})

	type sessionIn struct {
		Session string `path:"session" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the session"`
	}
	declared(a, operation{ID: "endMySession", Action: registry.ActionAccountManage, Method: "DELETE", Path: "/me/sessions/{session}", Summary: "Sign out somewhere"},
		func(ctx context.Context, c web.Caller, in *sessionIn) (*none, error) {
			if err := a.own(ctx, c); err != nil {
				return nil, err
			}
			return &none{}, a.Store.RevokeSession(ctx, c.Actor, registry.SessionID(in.Session))
		})

	type tokenOut struct {
		Body struct {
			AccessToken string `json:"access_token" shown:"once" doc:"token for Authorization: Bearer, valid for 5 minutes"`
			TokenType   string `json:"token_type" doc:"always Bearer"`
		}
	}
	declared(a, operation{
		ID: "createToken", Method: "POST", Path: "/tokens", Summary: "Make an API token for 5 minutes",
		Description: "From a sign-in session only, so that a token never makes a token.",
	}, func(ctx context.Context, c web.Caller, _ *none) (*tokenOut, error) {
		if c.Session.ID == "" {
			return nil, registry.Errorf(registry.CodeForbidden, "", "an API token is made from a sign-in session only")
		}
		t, err := a.Identity.APITokenFor(ctx, c.Actor, c.Session)
		out := new(tokenOut)
		out.Body.AccessToken, out.Body.TokenType = t, "Bearer"
		return out, err
	})
}

// whoIs reads the caller again: its name may just have changed.
func (a *API) whoIs(ctx context.Context, c web.Caller) (*meOut, error) {
	b := meBody{Kind: c.Actor.Kind(), PlatformAdmin: c.Actor.Platform(), Orgs: []registry.OrgView{}}
	if c.Actor.Kind() == registry.ActorOperator {
		return &meOut{b}, nil
	}
	var err error
	if b.Orgs, err = a.Store.MyOrgs(ctx, c.Actor); err != nil || !c.Actor.IsUser() {
		return &meOut{b}, err
	}
	u, err := a.Store.User(ctx, c.Actor, c.Actor.User)
	u.PlatformAdmin = c.Actor.Platform() // a narrow key is none, and says nothing of its holder
	b.User = &u
	return &meOut{b}, err
}

// own refuses anybody but people, for whom /me stands.
func (a *API) own(ctx context.Context, c web.Caller) error {
	return a.Store.AuthorizePlatform(ctx, c.Actor, registry.ActionAccountManage)
}
