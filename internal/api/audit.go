package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type AuditIn struct {
	PageIn
	Actor  string              `query:"actor" doc:"e-mail address of who did it, or operator"`
	Action registry.ChangeKind `query:"action" example:"member.added"`
}

func (in AuditIn) query() registry.AuditList {
	return registry.AuditList{List: in.list(""), Actor: in.Actor, Action: in.Action}
}

func (a *API) audit() {
	type orgIn struct {
		OrgPath
		AuditIn
	}
	declared(a, operation{ID: "listOrgAudit", Method: "GET", Path: "/orgs/{org}/audit", Summary: "Read an org's audit log, newest first", Action: registry.AuditRead},
		func(ctx context.Context, c web.Caller, in *orgIn) (*listOut[registry.AuditEntry], error) {
			id, err := in.id(ctx, a, c)
			if err != nil {
				return nil, err
			}
			p, err := a.Store.Audit(ctx, c.Actor, id, in.query())
			return &listOut[registry.AuditEntry]{p}, err
		})

	declared(a, operation{ID: "listAudit", Method: "GET", Path: "/audit", Summary: "Read the whole audit log, newest first", Action: registry.PlatformAudit},
		func(ctx context.Context, c web.Caller, in *AuditIn) (*listOut[registry.AuditEntry], error) {
			p, err := a.Store.PlatformAudit(ctx, c.Actor, in.query())
			return &listOut[registry.AuditEntry]{p}, err
		})

	type verifyOut struct {
		Body struct {
			Whole bool `json:"whole" doc:"every entry fits the one before it"`
		}
	}
	declared(a, operation{ID: "verifyAudit", Method: "GET", Path: "/audit/verify", Summary: "Check the audit log's hash chain", Action: registry.PlatformAudit, Description: "409 names the first entry that does not fit."},
		func(ctx context.Context, c web.Caller, _ *none) (*verifyOut, error) {
			out := new(verifyOut)
			out.Body.Whole = true
			return out, a.Store.VerifyAudit(ctx, c.Actor)
		})
}
