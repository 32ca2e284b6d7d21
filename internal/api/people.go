package api

import "github.com/pizzaface/pizzeria/registry"

func (a *API) me(c call) (any, error) {
	orgs, err := a.Store.MyOrgs(c.r.Context(), c.Actor)
	if !c.Actor.IsUser() {
		return map[string]any{"kind": c.Actor.Kind(), "platform_admin": c.Actor.Platform()}, nil
	}
	return map[string]any{"kind": "user", "user": c.User, "platform_admin": c.Actor.Platform(), "orgs": orgs}, err
}

// token makes an API token; only for who is signed in by cookie, so that a token never makes a token.
func (a *API) token(c call) (any, error) {
	if c.Session.ID == "" {
		return nil, registry.Errorf(registry.Forbidden, "", "an API token is made from a sign-in session only")
	}
	t, err := a.Identity.APITokenFor(c.r.Context(), c.Actor, c.Session)
	return map[string]any{"access_token": t, "token_type": "Bearer"}, err
}

func (a *API) createUser(c call) (any, error) {
	in, err := body[struct {
		Email         string `json:"email"`
		Name          string `json:"name"`
		Password      string `json:"password"`
		PlatformAdmin bool   `json:"platform_admin"`
	}](c)
	if err != nil {
		return nil, err
	}
	return a.Identity.CreateUser(c.r.Context(), c.Actor, in.Email, in.Name, in.Password, in.PlatformAdmin)
}

func (a *API) members(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.Members(c.r.Context(), c.Actor, id)
	return map[string]any{"members": list}, err
}

func (a *API) setRole(c call) (any, error) {
	in, err := body[struct {
		Role registry.Role `json:"role"`
	}](c)
	if err != nil {
		return nil, err
	}
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.SetRole(c.r.Context(), c.Actor, id, registry.UserID(c.r.PathValue("user")), in.Role)
}

func (a *API) removeMember(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.RemoveMember(c.r.Context(), c.Actor, id, registry.UserID(c.r.PathValue("user")))
}

func (a *API) invites(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.Invites(c.r.Context(), c.Actor, id)
	return map[string]any{"invites": list}, err
}

// invite answers with the link, which is shown this once.
func (a *API) invite(c call) (any, error) {
	in, err := body[struct {
		Email string        `json:"email"`
		Role  registry.Role `json:"role"`
	}](c)
	if err != nil {
		return nil, err
	}
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	l, link, err := a.Identity.Invite(c.r.Context(), c.Actor, id, in.Email, in.Role)
	return map[string]any{"invite": l, "link": link}, err
}

func (a *API) revokeInvite(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.RevokeInvite(c.r.Context(), c.Actor, id, c.r.PathValue("invite"))
}
