package api

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// support declares how a platform admin gets into an org for a while, and how an org changes hands.
func (a *API) support() {
	type askIn struct {
		OrgPath
		Body struct {
			Role   registry.Role `json:"role,omitempty" enum:"member,admin" default:"member" doc:"role during the access"`
			Reason string        `json:"reason" example:"The build of ticket 4711 hangs" doc:"why you need access; the org's owners read it"`
			Hours  int           `json:"hours" minimum:"1" maximum:"72" example:"4" doc:"duration from the approval on, in hours"`
		}
	}
	type supportOut struct{ Body registry.Support }
	type oneIn struct {
		OrgPath
		Support string `path:"support" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the support request"`
	}
	inOrg(a, operation{ID: "listSupport", Method: "GET", Path: "/orgs/{org}/support", Summary: "List requests for support access, newest first", Action: registry.ActionSupportRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, _ *OrgPath) (*listOut[registry.Support], error) {
			l, err := a.Store.Supports(ctx, c.Actor, org)
			return &listOut[registry.Support]{registry.Page[registry.Support]{Items: l}}, err
		})
	type requestOut struct {
		Located
		Body registry.Support
	}
	inOrg(a, operation{ID: "showSupport", Method: "GET", Path: "/orgs/{org}/support/{support}", Summary: "Show a request for support access", Action: registry.ActionSupportRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*supportOut, error) {
			l, err := a.Store.Supports(ctx, c.Actor, org)
			p, err := pick("request", l, err, func(p registry.Support) bool { return string(p.ID) == in.Support })
			return &supportOut{p}, err
		})
	inOrg(a, operation{ID: "requestSupport", Method: "POST", Path: "/orgs/{org}/support", Summary: "Ask an org's owners for access for a while", Action: registry.ActionSupportRequest, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *askIn) (*requestOut, error) {
			p, err := a.Identity.RequestSupport(ctx, c.Actor, org, registry.NewSupport{Role: in.Body.Role, Reason: in.Body.Reason, Hours: in.Body.Hours})
			return &requestOut{inside(ctx, org, "support", string(p.ID)), p}, err
		})
	for _, id := range []string{"approve", "deny"} { // in this order in the reference
		approve := id == "approve"
		inOrg(a, operation{ID: id + "Support", Method: "POST", Path: "/orgs/{org}/support/{support}/" + id, Summary: map[bool]string{true: "Give support access", false: "Refuse support access"}[approve], Action: registry.ActionSupportDecide},
			func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*supportOut, error) {
				p, err := a.Store.DecideSupport(ctx, c.Actor, org, registry.SupportID(in.Support), registry.Decision(approve))
				return &supportOut{p}, err
			})
	}
	inOrg(a, operation{ID: "endSupport", Method: "DELETE", Path: "/orgs/{org}/support/{support}", Summary: "End support access before its time, or take a request back", Action: registry.ActionSupportRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*none, error) {
			return &none{}, a.Store.EndSupport(ctx, c.Actor, org, registry.SupportID(in.Support))
		})

	declared(a, operation{ID: "transferOrg", Method: "POST", Path: "/orgs/{org}/members/{user}/transfer", Summary: "Hand the org over: the member becomes an owner, and you an admin", Action: registry.ActionOrgTransfer},
		func(ctx context.Context, c web.Caller, in *MemberPath) (*none, error) {
			org, user, err := in.ids(ctx, a, c)
			if err != nil {
				return nil, err
			}
			return &none{}, a.Store.TransferOrg(ctx, c.Actor, org, user)
		})
}
