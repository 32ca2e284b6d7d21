package api

import (
	"context"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type UserPath struct {
	User string `path:"user" example:"01890000-0000-7000-8000-000000000000" doc:"the account's ID or email address"`
}

// id resolves {user} for platform admins.
func (p UserPath) id(ctx context.Context, a *API, c web.Caller) (registry.UserID, error) {
	if registry.ValidID(p.User) || !c.Actor.SeesAll() {
		return registry.UserID(p.User), nil
	}
	email, err := registry.CleanEmail(p.User)
	if err != nil {
		return "", registry.Errorf(registry.CodeNotFound, "", "no such user")
	}
	u, err := a.Store.UserByEmail(ctx, registry.AsSystem("api"), email)
	return u.ID, err
}

// held says in an operation's description what becomes of an account that somebody else could have now.
const held = "The person has no access to orgs that have an owner until another owner of each approves it, or the person signs in with a second factor of before or resets the password by mail."

type userOut struct{ Body userBody }

type userBody struct {
	registry.User
	Orgs []registry.OrgView `json:"orgs" doc:"orgs that the account is a member of"`
}

func (a *API) users() {
	type listIn struct {
		PageIn
		Sort   string `query:"sort" enum:"email,-email,name,-name,created_at,-created_at" default:"email" doc:"what to sort by; - in front for descending"`
		Admins bool   `query:"platform_admins" doc:"only platform admins"`
		State  string `query:"state" enum:"enabled,disabled" doc:"only accounts in this state"`
		Days   int    `query:"dormant_days" minimum:"1" maximum:"3650" doc:"only accounts without a sign-in for this many days"`
	}
	declared(a, operation{ID: "listUsers", Method: "GET", Path: "/users", Summary: "List all accounts", Action: registry.ActionUserRead},
		func(ctx context.Context, c web.Caller, in *listIn) (*listOut[registry.User], error) {
			l := registry.UserList{List: in.list(in.Sort), PlatformAdmins: in.Admins, DormantDays: in.Days}
			if disabled := in.State == "disabled"; in.State != "" {
				l.Disabled = &disabled
			}
			p, err := a.Store.Users(ctx, c.Actor, l)
			return &listOut[registry.User]{p}, err
		})

	type createUserIn struct {
		Body struct {
			Email         string `json:"email" example:"eve@example.com" doc:"address that the person signs in with"`
			Name          string `json:"name" example:"Eve" doc:"display name"`
			Password      string `json:"password" example:"correct horse battery" doc:"password, at least 10 characters"`
			PlatformAdmin bool   `json:"platform_admin,omitempty" doc:"also make the account a platform admin"`
		}
	}
	type createUserOut struct {
		Located
		Body registry.User
	}
	declared(a, operation{ID: "createUser", Method: "POST", Path: "/users", Summary: "Create an account", Action: registry.ActionUserCreate, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *createUserIn) (*createUserOut, error) {
			u, err := a.Identity.CreateUser(ctx, c.Actor, registry.NewUser{Email: in.Body.Email, Name: in.Body.Name, PlatformAdmin: in.Body.PlatformAdmin}, in.Body.Password)
			return &createUserOut{at(ctx, "users", string(u.ID)), u}, err
		})

	declared(a, operation{ID: "removeFactors", Method: "DELETE", Path: "/users/{user}/second-step", Summary: "Remove somebody's second step, who lost what it needs", Action: registry.ActionUserUpdate, Description: held},
		func(ctx context.Context, c web.Caller, in *UserPath) (*none, error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserUpdate)
			if err != nil {
				return nil, err
			}
			return &none{}, a.Identity.RemoveFactors(ctx, c.Actor, id)
		})

	declared(a, operation{
		ID: "verifyUser", Method: "POST", Path: "/users/{user}/verify",
		Summary: "Mark somebody's address as verified", Action: registry.ActionUserUpdate,
		Description: "Roles that wait for it are given. Do it only if you know that the person " +
			"whose address it is uses the account.",
	}, func(ctx context.Context, c web.Caller, in *UserPath) (*userOut, error) {
		id, err := a.userFor(ctx, c, *in, registry.ActionUserUpdate)
		if err != nil {
			return nil, err
		}
		if err := a.Store.VerifyUser(ctx, c.Actor, id); err != nil {
			return nil, err
		}
		return a.showUser(ctx, c, id)
	})

	type linkOut struct {
		Body struct {
			Link string    `json:"link" shown:"once" doc:"link for the person: works once, within an hour, and is shown only now"`
			Ends time.Time `json:"ends" doc:"when the link stops working"`
		}
	}
	declared(a, operation{ID: "createPasswordLink", Method: "POST", Path: "/users/{user}/password-link", Summary: "Make a link with which somebody chooses a new password", Action: registry.ActionUserUpdate, Description: "The person and the owners of their orgs are told. Once the link is used: " + held},
		func(ctx context.Context, c web.Caller, in *UserPath) (*linkOut, error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserUpdate)
			if err != nil {
				return nil, err
			}
			l, link, err := a.Identity.ResetLink(ctx, c.Actor, id)
			out := new(linkOut)
			out.Body.Link, out.Body.Ends = link, l.ExpiresAt
			return out, err
		})

	declared(a, operation{ID: "showUser", Method: "GET", Path: "/users/{user}", Summary: "Show an account", Action: registry.ActionUserRead},
		func(ctx context.Context, c web.Caller, in *UserPath) (*userOut, error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserRead)
			if err != nil {
				return nil, err
			}
			return a.showUser(ctx, c, id)
		})

	type updateUserIn struct {
		UserPath
		Body struct {
			Name          *string `json:"name,omitempty" doc:"new display name"`
			PlatformAdmin *bool   `json:"platform_admin,omitempty" doc:"make the account a platform admin, or an ordinary one; one platform admin always remains"`
		}
	}
	declared(a, operation{ID: "updateUser", Method: "PATCH", Path: "/users/{user}", Summary: "Change an account", Action: registry.ActionUserUpdate},
		func(ctx context.Context, c web.Caller, in *updateUserIn) (*userOut, error) {
			id, err := a.userFor(ctx, c, in.UserPath, registry.ActionUserUpdate)
			if err != nil {
				return nil, err
			}
			if err := a.Store.UpdateUser(ctx, c.Actor, id, registry.UserChange{Name: in.Body.Name, PlatformAdmin: in.Body.PlatformAdmin}); err != nil {
				return nil, err
			}
			return a.showUser(ctx, c, id)
		})

	a.closeUsers()

	declared(a, operation{ID: "listSessions", Method: "GET", Path: "/users/{user}/sessions", Summary: "List where somebody is signed in", Action: registry.ActionUserRead},
		func(ctx context.Context, c web.Caller, in *UserPath) (*listOut[registry.Session], error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserRead)
			if err != nil {
				return nil, err
			}
			list, err := a.Store.Sessions(ctx, c.Actor, id)
			return &listOut[registry.Session]{registry.Page[registry.Session]{Items: list}}, err
		})

	declared(a, operation{ID: "endSessions", Method: "DELETE", Path: "/users/{user}/sessions", Summary: "Sign somebody out everywhere", Action: registry.ActionUserUpdate},
		func(ctx context.Context, c web.Caller, in *UserPath) (*none, error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserUpdate)
			if err != nil {
				return nil, err
			}
			return &none{}, a.Store.RevokeSessions(ctx, c.Actor, id, "")
		})
}

func (a *API) showUser(ctx context.Context, c web.Caller, id registry.UserID) (*userOut, error) {
	u, err := a.Store.User(ctx, c.Actor, id)
	if err != nil {
		return nil, err
	}
	orgs, err := a.Store.UserOrgs(ctx, c.Actor, id)
	return &userOut{userBody{u, orgs}}, err
}

// userFor resolves {user} for an action on somebody's account.
func (a *API) userFor(ctx context.Context, c web.Caller, p UserPath, action registry.Action) (registry.UserID, error) {
	if err := a.Store.AuthorizePlatform(ctx, c.Actor, action); err != nil {
		return "", err
	}
	return p.id(ctx, a, c)
}
