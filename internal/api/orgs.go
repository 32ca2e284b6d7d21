package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// OrgPath is {org}: an ID, or the slug of an org that the caller reaches.
type OrgPath struct {
	Org string `path:"org" example:"acme" doc:"the org's ID or slug"`
}

func (p OrgPath) id(ctx context.Context, a *API, c web.Caller) (registry.OrgID, error) {
	if registry.ValidID(p.Org) {
		return registry.OrgID(p.Org), nil
	}
	id, err := a.Store.OrgID(ctx, c.Actor, p.Org)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		// A program is told, and not led on: after its quarantine the address may be another org's.
		if v, former := a.Store.OrgByFormerSlug(ctx, c.Actor, p.Org); former == nil {
			err = registry.Errorf(registry.CodeNotFound, "",
				"the org %q was renamed: its address is %q now", p.Org, v.Slug).Because(registry.ReasonOrgRenamed)
		}
	}
	return id, err
}

func (p OrgPath) org() OrgPath { return p }

// inOrg declares an operation of an org, whose handler is given its ID.
func inOrg[I interface{ org() OrgPath }, O any](a *API, o operation, f func(ctx context.Context, c web.Caller, org registry.OrgID, in *I) (*O, error)) {
	declared(a, o, func(ctx context.Context, c web.Caller, in *I) (*O, error) {
		id, err := (*in).org().id(ctx, a, c)
		if err != nil {
			return nil, err
		}
		return f(ctx, c, id, in)
	})
}

// ChangeIn is a change of an org.
type ChangeIn struct {
	OrgPath
	Precondition
}

// version is the precondition (RFC 9110, section 13.1.1), 0 when there is none.
func (in ChangeIn) version() (int64, error) {
	s, err := in.Precondition.version()
	if err != nil || s == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, registry.Errorf(registry.CodeVersionConflict, "", "If-Match is not an ETag of this org")
	}
	return n, nil
}

// view is the org, for an actor who may do action in it.
func (a *API) view(ctx context.Context, c web.Caller, id registry.OrgID, action registry.Action) (*orgOut, error) {
	v, err := a.Store.Authorize(ctx, c.Actor, id, action)
	if err != nil {
		return nil, err
	}
	v.Instance.MarkOutdated(a.Outdated())
	a.Count(&v.Instance)
	return &orgOut{ETag: `"` + strconv.FormatInt(v.Version, 10) + `"`, Body: v}, nil
}

// change runs a change of an org and returns the org afterwards. The permission for the change also
// covers the answer: a key without org:read must not get a 403 for a change that was made.
func (a *API) change(ctx context.Context, c web.Caller, in ChangeIn, action registry.Action, f func(id registry.OrgID, version int64) error) (*orgOut, error) {
	id, err := in.id(ctx, a, c)
	if err != nil {
		return nil, err
	}
	v, err := in.version()
	if err != nil {
		return nil, err
	}
	if err := f(id, v); err != nil {
		return nil, err
	}
	return a.view(ctx, c, id, action)
}

func (a *API) orgs() {
	type listIn struct {
		PageIn
		Sort   string                 `query:"sort" enum:"name,-name,slug,-slug,created_at,-created_at" default:"name" doc:"what to sort by; - in front for descending"`
		Status registry.OrgStatus     `query:"status" enum:"provisioning,active,suspended,deleting" doc:"only orgs with this status"`
		State  registry.InstanceState `query:"state" enum:"pending,starting,running,degraded,failed,stopped,absent" doc:"only orgs whose instance is in this state"`
		Plan   string                 `query:"plan" doc:"only orgs with this plan"`
		Mine   bool                   `query:"mine" doc:"only orgs that you are a member of; for platform admins, who see all"`

		Outdated bool `query:"outdated" doc:"only orgs whose instance runs with an earlier configuration of the server"`
	}
	declared(a, operation{ID: "listOrgs", Method: "GET", Path: "/orgs", Summary: "List the orgs that you see"},
		func(ctx context.Context, c web.Caller, in *listIn) (*listOut[registry.OrgView], error) {
			l := registry.OrgList{List: in.list(in.Sort), Status: in.Status, State: in.State, Plan: in.Plan, Mine: in.Mine}
			outdated := a.Outdated()
			if in.Outdated {
				l.Among = slices.AppendSeq([]registry.OrgID{}, maps.Keys(outdated))
			}
			p, err := a.Store.Orgs(ctx, c.Actor, l)
			for i := range p.Items {
				p.Items[i].Instance.MarkOutdated(outdated)
				a.Count(&p.Items[i].Instance)
			}
			return &listOut[registry.OrgView]{p}, err
		})

	type createOrgIn struct {
		Body struct {
			Slug  string `json:"slug" example:"acme" doc:"DNS label of the org: 3 to 40 lower-case letters, digits and hyphens"`
			Name  string `json:"name,omitempty" example:"Acme Inc" doc:"display name, 1 to 80 characters; default: the slug"`
			Plan  string `json:"plan,omitempty" example:"standard" doc:"plan of the org; default: standard"`
			Owner string `json:"owner,omitempty" format:"email" doc:"email address of the account that becomes the owner; default: you. A key cannot name one: its org has no owner at first"`
		}
	}
	type createOrgOut struct {
		Located
		ETag string `header:"ETag" doc:"the org's version, for If-Match"`
		Body registry.OrgView
	}
	declared(a, operation{ID: "createOrg", Method: "POST", Path: "/orgs", Summary: "Create an org with its instance", Action: registry.ActionOrgCreate, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *createOrgIn) (*createOrgOut, error) {
			n := registry.NewOrg{Slug: in.Body.Slug, Name: in.Body.Name, Plan: in.Body.Plan}
			if c.Actor.InPerson() {
				n.Owner = c.Actor.User
			}
			if in.Body.Owner != "" && registry.Allows(c.Actor, "", registry.ActionOrgCreate) {
				u, err := a.account(ctx, in.Body.Owner)
				if err != nil {
					return nil, err
				}
				n.Owner = u.ID
			}
			o, err := a.Store.CreateOrg(ctx, c.Actor, n)
			if err != nil {
				return nil, err
			}
			v, err := a.view(ctx, c, o.ID, registry.ActionOrgRead)
			if err != nil {
				return nil, err
			}
			return &createOrgOut{inside(ctx, o.ID), v.ETag, v.Body}, nil
		})

	inOrg(a, operation{ID: "showOrg", Method: "GET", Path: "/orgs/{org}", Summary: "Show an org", Action: registry.ActionOrgRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*orgOut, error) {
			return a.view(ctx, c, id, registry.ActionOrgRead)
		})

	type updateOrgIn struct {
		ChangeIn
		Body struct {
			Name string `json:"name" example:"Acme Inc" doc:"new display name, 1 to 80 characters"`
		}
	}
	declared(a, operation{ID: "updateOrg", Method: "PATCH", Path: "/orgs/{org}", Summary: "Change an org's name", Action: registry.ActionOrgUpdate},
		func(ctx context.Context, c web.Caller, in *updateOrgIn) (*orgOut, error) {
			return a.change(ctx, c, in.ChangeIn, registry.ActionOrgUpdate, func(id registry.OrgID, v int64) error {
				return a.Store.UpdateOrg(ctx, c.Actor, id, v, in.Body.Name)
			})
		})

	type renameIn struct {
		ChangeIn
		Body struct {
			Slug string `json:"slug" example:"apex" doc:"new DNS label: 3 to 40 lower-case letters, digits and hyphens"`
		}
	}
	declared(a, operation{
		ID: "renameOrg", Method: "POST", Path: "/orgs/{org}/rename", Summary: "Give an org another address", Action: registry.ActionOrgRename,
		Description: "Its ID, data and members stay. The old address leads to the new one for 14 days, then rests for 30 before another org can have it.",
	}, func(ctx context.Context, c web.Caller, in *renameIn) (*orgOut, error) {
		return a.change(ctx, c, in.ChangeIn, registry.ActionOrgRename, func(id registry.OrgID, v int64) error {
			return a.Store.RenameOrg(ctx, c.Actor, id, v, in.Body.Slug)
		})
	})

	type suspendIn struct {
		ChangeIn
		Body *struct {
			Reason string `json:"reason,omitempty" maxLength:"500" example:"unpaid" doc:"why it is suspended; its members read it"`
		}
	}
	declared(a, operation{ID: "suspendOrg", Method: "POST", Path: "/orgs/{org}/suspend", Summary: "Close an org and stop its instance; its data is kept", Action: registry.ActionOrgSuspend},
		func(ctx context.Context, c web.Caller, in *suspendIn) (*orgOut, error) {
			reason := ""
			if in.Body != nil {
				reason = in.Body.Reason
			}
			return a.change(ctx, c, in.ChangeIn, registry.ActionOrgSuspend, func(id registry.OrgID, v int64) error {
				return a.Store.SuspendOrg(ctx, c.Actor, id, v, reason)
			})
		})

	declared(a, operation{ID: "resumeOrg", Method: "POST", Path: "/orgs/{org}/resume", Summary: "Open a suspended org", Action: registry.ActionOrgResume},
		func(ctx context.Context, c web.Caller, in *ChangeIn) (*orgOut, error) {
			return a.change(ctx, c, *in, registry.ActionOrgResume, func(id registry.OrgID, v int64) error {
				return a.Store.ResumeOrg(ctx, c.Actor, id, v)
			})
		})

	type deleteIn struct {
		ChangeIn
		Confirm string `query:"confirm" example:"acme" doc:"the org's slug, as a confirmation"`
		Now     bool   `query:"now" doc:"delete now instead of in 7 days"`
	}
	declared(a, operation{
		ID: "deleteOrg", Method: "DELETE", Path: "/orgs/{org}", Summary: "Delete an org", Action: registry.ActionOrgDelete, Status: http.StatusAccepted,
		Description: "It is closed at once. For 7 days it can be kept after all; then its instance is removed. Its files stay on the machine until an operator removes them.",
	}, func(ctx context.Context, c web.Caller, in *deleteIn) (*orgOut, error) {
		return a.change(ctx, c, in.ChangeIn, registry.ActionOrgDelete, func(id registry.OrgID, v int64) error {
			return a.Store.DeleteOrg(ctx, c.Actor, id, v, registry.OrgDeletion{Confirm: in.Confirm, Now: in.Now})
		})
	})

	declared(a, operation{ID: "keepOrg", Method: "POST", Path: "/orgs/{org}/keep", Summary: "Keep an org that is being deleted", Action: registry.ActionOrgDelete},
		func(ctx context.Context, c web.Caller, in *ChangeIn) (*orgOut, error) {
			return a.change(ctx, c, *in, registry.ActionOrgDelete, func(id registry.OrgID, v int64) error {
				return a.Store.KeepOrg(ctx, c.Actor, id, v)
			})
		})
}

// account finds an account by its e-mail address, for who may create orgs.
func (a *API) account(ctx context.Context, address string) (registry.User, error) {
	email, err := registry.CleanEmail(address)
	if err != nil {
		return registry.User{}, err
	}
	u, err := a.Store.UserByEmail(ctx, registry.AsSystem("api"), email)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return u, registry.Errorf(registry.CodeInvalid, "owner", "%s has no account: create it first, or leave the owner out and invite one", email)
	}
	return u, err
}
