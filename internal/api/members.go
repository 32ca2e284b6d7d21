package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type MemberPath struct {
	OrgPath
	User string `path:"user" example:"01890000-0000-7000-8000-000000000000" doc:"the member's ID or email address"`
}

// ids resolves {org} and {user}; an address is looked for among the org's members alone.
func (p MemberPath) ids(ctx context.Context, a *API, c web.Caller) (registry.OrgID, registry.UserID, error) {
	org, err := p.id(ctx, a, c)
	if err != nil || !strings.Contains(p.User, "@") {
		return org, registry.UserID(p.User), err
	}
	m, err := a.Store.MemberByEmail(ctx, c.Actor, org, ascii.Lower(p.User))
	return org, m.UserID, err
}

func (a *API) members() {
	type listIn struct {
		OrgPath
		PageIn
		Sort string `query:"sort" enum:"email,-email,name,-name,created_at,-created_at" default:"email" doc:"what to sort by; - in front for descending"`
	}
	inOrg(a, operation{ID: "listMembers", Method: "GET", Path: "/orgs/{org}/members", Summary: "List an org's members", Action: registry.ActionMemberRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *listIn) (*listOut[registry.Member], error) {
			p, err := a.Store.Members(ctx, c.Actor, id, in.list(in.Sort))
			return &listOut[registry.Member]{p}, err
		})

	type memberOut struct{ Body registry.Member }
	declared(a, operation{ID: "showMember", Method: "GET", Path: "/orgs/{org}/members/{user}", Summary: "Show a member of an org", Action: registry.ActionMemberRead},
		func(ctx context.Context, c web.Caller, in *MemberPath) (*memberOut, error) {
			org, user, err := in.ids(ctx, a, c)
			if err != nil {
				return nil, err
			}
			m, err := a.Store.Member(ctx, c.Actor, org, user)
			return &memberOut{m}, err
		})

	type roleIn struct {
		MemberPath
		Body struct {
			Role registry.Role `json:"role" enum:"member,admin,owner" example:"admin" doc:"new role"`
		}
	}
	type roleOut struct {
		Status int
		Body   *registry.Approval
	}
	declared(a, operation{ID: "setRole", Method: "PATCH", Path: "/orgs/{org}/members/{user}", Summary: "Change a member's role", Action: registry.ActionMemberChange, Status: http.StatusAccepted, Or: http.StatusNoContent, Description: "Only owners make and unmake owners; the last owner stays one. " + waits},
		func(ctx context.Context, c web.Caller, in *roleIn) (*roleOut, error) {
			org, user, err := in.ids(ctx, a, c)
			if err != nil {
				return nil, err
			}
			p, err := a.Identity.SetRoleOrAsk(ctx, c.Actor, org, user, in.Body.Role)
			out := &roleOut{http.StatusAccepted, p}
			if p == nil {
				out.Status = http.StatusNoContent
			}
			return out, err
		})

	type removeIn struct {
		MemberPath
		Runners string `query:"runners" enum:"keep,revoke" default:"keep" doc:"whether to keep or revoke the runners that the person enrolled"`
	}
	type removeOut struct {
		Body struct {
			Runners []registry.Runner `json:"runners" doc:"runners that the person enrolled, kept or revoked as asked"`
		}
	}
	declared(a, operation{ID: "removeMember", Method: "DELETE", Path: "/orgs/{org}/members/{user}", Summary: "Remove a member; your own ID leaves the org", Action: registry.ActionMemberRemove},
		func(ctx context.Context, c web.Caller, in *removeIn) (*removeOut, error) {
			org, user, err := in.ids(ctx, a, c)
			if err != nil {
				return nil, err
			}
			out := new(removeOut)
			out.Body.Runners, err = a.Store.RemoveMember(ctx, c.Actor, org, user, registry.MemberRemoval{RevokeRunners: in.Runners == "revoke"})
			return out, err
		})

	inOrg(a, operation{ID: "listInvites", Method: "GET", Path: "/orgs/{org}/invites", Summary: "List open invitations", Action: registry.ActionMemberInvite},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*listOut[registry.Link], error) {
			list, err := a.Store.Invites(ctx, c.Actor, id)
			return &listOut[registry.Link]{registry.Page[registry.Link]{Items: list}}, err
		})

	type inviteIn struct {
		OrgPath
		Body struct {
			Email string        `json:"email" example:"eve@example.com" doc:"address to invite"`
			Role  registry.Role `json:"role" enum:"member,admin,owner" example:"member" doc:"role that the person gets"`
		}
	}
	inOrg(a, operation{ID: "invite", Method: "POST", Path: "/orgs/{org}/invites", Summary: "Invite somebody", Action: registry.ActionMemberInvite, Status: http.StatusCreated, Or: http.StatusAccepted, Description: "An earlier open invitation of the same address ends. " + waits},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *inviteIn) (*inviteOut, error) {
			out, err := invited(http.StatusCreated)(a.Identity.InviteOrAsk(ctx, c.Actor, id, in.Body.Email, in.Body.Role))
			if err != nil {
				return nil, err
			}
			if out.Body.Approval != nil {
				out.Located = inside(ctx, id, "approvals", string(out.Body.Approval.ID))
			} else {
				out.Located = inside(ctx, id, "invites", out.Body.Invite.ID)
			}
			return out, nil
		})

	type invitePath struct {
		OrgPath
		Invite string `path:"invite" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the invitation"`
	}
	type invitationOut struct{ Body registry.Link }
	inOrg(a, operation{ID: "showInvite", Method: "GET", Path: "/orgs/{org}/invites/{invite}", Summary: "Show a pending invitation", Action: registry.ActionMemberInvite},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *invitePath) (*invitationOut, error) {
			list, err := a.Store.Invites(ctx, c.Actor, id)
			l, err := pick("invitation", list, err, func(l registry.Link) bool { return l.ID == in.Invite })
			return &invitationOut{l}, err
		})
	inOrg(a, operation{ID: "resendInvite", Method: "POST", Path: "/orgs/{org}/invites/{invite}/resend", Summary: "Invite somebody again: with another link, for another 7 days", Action: registry.ActionMemberInvite, Status: http.StatusOK, Or: http.StatusAccepted, Description: waits},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *invitePath) (*inviteOut, error) {
			return invited(http.StatusOK)(a.Identity.Reinvite(ctx, c.Actor, id, in.Invite))
		})
	inOrg(a, operation{ID: "revokeInvite", Method: "DELETE", Path: "/orgs/{org}/invites/{invite}", Summary: "Take an invitation back", Action: registry.ActionMemberInvite},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *invitePath) (*none, error) {
			return &none{}, a.Store.RevokeInvite(ctx, c.Actor, id, in.Invite)
		})
}
