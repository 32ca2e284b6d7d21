package api

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is what the API needs of the registry.
type Store interface {
	CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	Orgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error
	SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, confirm string) error
	Members(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error
	RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) error
	Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error)
	RevokeInvite(ctx context.Context, a registry.Actor, org registry.OrgID, id string) error
	Audit(ctx context.Context, a registry.Actor, org registry.OrgID, limit int) ([]registry.AuditEntry, error)
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	UserByEmail(ctx context.Context, a registry.Actor, email string) (registry.User, error)
}

func (a *API) orgs(c call) (any, error) {
	list, err := a.Store.Orgs(c.r.Context(), c.Actor)
	return map[string]any{"orgs": list}, err
}

func (a *API) createOrg(c call) (any, error) {
	in, err := body[struct {
		Slug  string `json:"slug"`
		Name  string `json:"name"`
		Plan  string `json:"plan"`
		Owner string `json:"owner"` // e-mail address of an account; default: the caller
	}](c)
	if err != nil {
		return nil, err
	}
	n := registry.NewOrg{Slug: in.Slug, Name: in.Name, Plan: in.Plan, Owner: c.Actor.User}
	if in.Owner != "" && registry.Allows(c.Actor, "", registry.OrgCreate) {
		email, err := registry.CleanEmail(in.Owner)
		if err != nil {
			return nil, err
		}
		u, err := a.Store.UserByEmail(c.r.Context(), registry.AsSystem("api"), email)
		if registry.ErrorCode(err) == registry.NotFound {
			return nil, registry.Errorf(registry.Invalid, "owner", "%s has no account: create it first, or leave the owner out and invite one", email)
		}
		if err != nil {
			return nil, err
		}
		n.Owner = u.ID
	}
	o, err := a.Store.CreateOrg(c.r.Context(), c.Actor, n)
	if err != nil {
		return nil, err
	}
	return a.Store.Org(c.r.Context(), c.Actor, o.ID)
}

func (a *API) org(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	return a.Store.Org(c.r.Context(), c.Actor, id)
}

// change runs a change of an org and returns the org as it is then.
func (a *API) change(c call, f func(ctx context.Context, id registry.OrgID, version int64) error) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	v, err := version(c)
	if err != nil {
		return nil, err
	}
	if err := f(c.r.Context(), id, v); err != nil {
		return nil, err
	}
	return a.Store.Org(c.r.Context(), c.Actor, id)
}

func (a *API) updateOrg(c call) (any, error) {
	in, err := body[struct {
		Name string `json:"name"`
	}](c)
	if err != nil {
		return nil, err
	}
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.UpdateOrg(ctx, c.Actor, id, v, in.Name)
	})
}

func (a *API) renameOrg(c call) (any, error) {
	in, err := body[struct {
		Slug string `json:"slug"`
	}](c)
	if err != nil {
		return nil, err
	}
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.RenameOrg(ctx, c.Actor, id, v, in.Slug)
	})
}

func (a *API) suspendOrg(c call) (any, error) {
	in, err := body[struct {
		Reason string `json:"reason"`
	}](c)
	if err != nil {
		return nil, err
	}
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.SuspendOrg(ctx, c.Actor, id, v, in.Reason)
	})
}

func (a *API) resumeOrg(c call) (any, error) {
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.ResumeOrg(ctx, c.Actor, id, v)
	})
}

func (a *API) restart(c call) (any, error) {
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.RestartInstance(ctx, c.Actor, id, v)
	})
}

// deleteOrg takes the slug as the query parameter "confirm".
func (a *API) deleteOrg(c call) (any, error) {
	return a.change(c, func(ctx context.Context, id registry.OrgID, v int64) error {
		return a.Store.DeleteOrg(ctx, c.Actor, id, v, c.r.URL.Query().Get("confirm"))
	})
}

func (a *API) audit(c call) (any, error) {
	id, err := a.orgID(c)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.Audit(c.r.Context(), c.Actor, id, 200)
	return map[string]any{"entries": list}, err
}
