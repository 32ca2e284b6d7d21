package api

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// waits says in an operation's description what its answer 202 means.
const waits = "From outside an org that has an owner, one of its owners has to " +
	"approve it: the answer is 202 with the approval that waits."

// approvals declares how an org's owners answer what was asked for from outside.
func (a *API) approvals() {
	type oneIn struct {
		OrgPath
		Approval string `path:"approval" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the request"`
	}
	type decideOut struct {
		Body struct {
			Approval registry.Approval `json:"approval" doc:"the request after the decision"`
			Link     string            `json:"link,omitempty" shown:"once" doc:"invitation link for the person, where no mail is sent; shown only now"`
		}
	}
	inOrg(a, operation{ID: "listApprovals", Method: "GET",
		Path: "/orgs/{org}/approvals", Action: registry.ActionApprovalRead,
		Summary:     "List what was asked for from outside the org, newest first",
		Description: "Members below admin see only what makes an owner without an approval.",
	},
		func(ctx context.Context, c web.Caller, org registry.OrgID, _ *OrgPath) (
			*listOut[registry.Approval], error,
		) {
			l, err := a.Store.Approvals(ctx, c.Actor, org)
			return &listOut[registry.Approval]{registry.Page[registry.Approval]{Items: l}}, err
		})
	type approvalOut struct{ Body registry.Approval }
	inOrg(a, operation{ID: "showApproval", Method: "GET",
		Path: "/orgs/{org}/approvals/{approval}", Action: registry.ActionApprovalRead,
		Summary: "Show a request for an approval",
	},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*approvalOut, error) {
			l, err := a.Store.Approvals(ctx, c.Actor, org)
			p, err := pick("request", l, err, func(p registry.Approval) bool { return string(p.ID) == in.Approval })
			return &approvalOut{p}, err
		})
	type decider = func(context.Context, web.Caller, registry.OrgID, *oneIn) (*decideOut, error)
	decide := func(d registry.Decision) decider {
		return func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (
			*decideOut, error,
		) {
			id := registry.ApprovalID(in.Approval)
			i, err := a.Identity.DecideApproval(ctx, c.Actor, org, id, d)
			if err != nil {
				return nil, err
			}
			out := new(decideOut)
			out.Body.Approval, out.Body.Link = *i.Approval, i.Link
			return out, nil
		}
	}
	inOrg(a, operation{ID: "approve", Method: "POST",
		Path: "/orgs/{org}/approvals/{approval}/approve", Action: registry.ActionApprovalDecide,
		Summary:     "Approve a request: exactly what it says, once",
		Description: "Nobody approves what they asked for, or what is about themselves.",
	}, decide(registry.DecisionApprove))
	inOrg(a, operation{ID: "refuse", Method: "POST",
		Path: "/orgs/{org}/approvals/{approval}/refuse", Action: registry.ActionApprovalRefuse,
		Summary:     "Refuse a request",
		Description: "Admins refuse only that a member returns; everything else is for owners.",
	}, decide(registry.DecisionDeny))
	inOrg(a, operation{ID: "endApproval", Method: "DELETE",
		Path: "/orgs/{org}/approvals/{approval}", Action: registry.ActionApprovalEnd,
		Summary: "Take a request back",
	},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*none, error) {
			return &none{}, a.Store.EndApproval(ctx, c.Actor, org, registry.ApprovalID(in.Approval))
		})

	type breakIn struct {
		OrgPath
		Body struct {
			Owner string `json:"owner" example:"you@example.com" doc:"email address of an existing account"`
		}
	}
	inOrg(a, operation{ID: "breakGlass", Method: "POST",
		Path: "/orgs/{org}/break-glass", Action: registry.ActionOrgBreakGlass, Status: http.StatusAccepted,
		Summary:     "Make somebody an owner of an org whose owners are gone",
		Description: "It takes effect after 72 hours, unless an owner refuses it. All members are told.",
	},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *breakIn) (*approvalOut, error) {
			p, err := a.Identity.BreakGlass(ctx, c.Actor, org, in.Body.Owner)
			return &approvalOut{p}, err
		})
}

type inviteOut struct {
	Located
	Status int
	Body   struct {
		Invite   *registry.Link     `json:"invite,omitempty" doc:"the invitation; absent while it waits for an owner"`
		Link     string             `json:"link,omitempty" shown:"once" doc:"link for the person: works once, within 7 days, and is shown only now. Absent where mail is sent"`
		Approval *registry.Approval `json:"approval,omitempty" doc:"request that waits for an owner of the org; nobody is invited yet"`
	}
}

// invited is the answer to an invitation: made, which is answered with done, or waiting.
func invited(done int) func(identity.Invitation, error) (*inviteOut, error) {
	return func(i identity.Invitation, err error) (*inviteOut, error) {
		out := &inviteOut{Status: done}
		out.Body.Approval, out.Body.Link = i.Approval, i.Link
		if i.Approval != nil {
			out.Status = http.StatusAccepted
		} else {
			out.Body.Invite = &i.Invite
		}
		return out, err
	}
}
