package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

type AuditIn struct {
	PageIn
	AuditFilter
}

// AuditFilter says which entries are asked for.
type AuditFilter struct {
	Actor  string              `query:"actor" doc:"only what this email address did, or operator"`
	Action registry.ChangeKind `query:"action" example:"member.added" doc:"what was done"`
	Since  time.Time           `query:"since" doc:"only entries from this time on (RFC 3339)"`
	Until  time.Time           `query:"until" doc:"only entries before this time (RFC 3339)"`
}

func (f AuditFilter) list(l registry.List) registry.AuditList {
	return registry.AuditList{List: l, Actor: f.Actor, Action: f.Action, Since: f.Since, Until: f.Until}
}

func (in AuditIn) query() registry.AuditList { return in.AuditFilter.list(in.PageIn.list("")) }

// OrgAuditEntry is an entry as an org's people see it. Its number, and its hash in the chain of all
// orgs, from which the number could be found, would tell how much others do.
type OrgAuditEntry struct {
	ID        string              `json:"id" doc:"ID of the entry, for the parameter after; changes when the secret key is replaced"`
	At        time.Time           `json:"at" doc:"when it happened"`
	ActorKind registry.ActorKind  `json:"actor_kind" doc:"what acted: user, service, operator, system or visitor"`
	Actor     string              `json:"actor" doc:"email address of the person who acted, or the name of the program"`
	ActorID   registry.UserID     `json:"actor_id,omitempty" doc:"account that acted; absent for programs"`
	Address   string              `json:"address,omitempty" doc:"client IP address"`
	Action    registry.ChangeKind `json:"action" doc:"what was done, such as member.added"`
	OrgID     registry.OrgID      `json:"org_id,omitempty" doc:"org that it happened in"`
	Target    string              `json:"target,omitempty" doc:"what it was done to, such as an email address"`
	Detail    string              `json:"detail,omitempty" doc:"more about it, such as old and new value"`
	Erased    map[string]string   `json:"erased,omitempty" doc:"fields whose text was erased, with the hash that stays in its place"`
}

func (a *API) orgEntry(org registry.OrgID, e registry.AuditEntry) OrgAuditEntry {
	return OrgAuditEntry{
		ID: a.Identity.HideNumber(identity.NumberAudit, org, e.Seq), At: e.At, ActorKind: e.ActorKind, Actor: e.Actor,
		ActorID: e.ActorID, Address: e.Address, Action: e.Action, OrgID: e.OrgID, Target: e.Target, Detail: e.Detail, Erased: e.Erased,
	}
}

// orgPage is a page of an org's log, with a cursor that tells nothing.
func (a *API) orgPage(ctx context.Context, c web.Caller, org registry.OrgID, l registry.AuditList) (*listOut[OrgAuditEntry], error) {
	var err error
	if l.Cursor, err = a.Identity.ShowCursor(org, l.Cursor); err != nil {
		return nil, err
	}
	p, err := a.Store.Audit(ctx, c.Actor, org, l)
	if err != nil {
		return nil, err
	}
	out := &listOut[OrgAuditEntry]{}
	out.Body.Items, out.Body.Next = []OrgAuditEntry{}, a.Identity.HideCursor(org, p.Next)
	for _, e := range p.Items {
		out.Body.Items = append(out.Body.Items, a.orgEntry(org, e))
	}
	return out, nil
}

// ExportIn says where an export goes on.
type ExportIn struct {
	AuditFilter
	After int64 `query:"after" minimum:"0" doc:"seq of the last entry that you have"`
}

const (
	exportPage = 1000
	exportType = "application/jsonl"
	exportText = "One entry a line, as a JSON object"
)

// export writes the log page by page, each read as the caller is allowed to then. A failure breaks the
// answer off: what came is whole lines, and the next export goes on after the last.
func (a *API) export(ctx context.Context, c web.Caller, org registry.OrgID, f AuditFilter, after int64) (*huma.StreamResponse, error) {
	l := f.list(registry.List{})
	list, err := a.Store.AuditAfter(ctx, c.Actor, org, l, after, exportPage)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", exportType+"; charset=utf-8")
		for out := json.NewEncoder(w); len(list) > 0; {
			for _, e := range list {
				line := any(e)
				if org != "" {
					line = a.orgEntry(org, e)
				}
				if out.Encode(line) != nil {
					return
				}
				after = e.Seq
			}
			if list, err = a.Store.AuditAfter(ctx, c.Actor, org, l, after, exportPage); err != nil {
				a.Log.Warn("api", "operation", "exportAudit", "request_id", wire.RequestID(ctx), "error", err)
				panic(http.ErrAbortHandler)
			}
		}
	}}, nil
}

func (a *API) audit() {
	type orgIn struct {
		OrgPath
		AuditIn
	}
	inOrg(a, operation{ID: "listOrgAudit", Method: "GET", Path: "/orgs/{org}/audit", Summary: "Read an org's audit log, newest first", Action: registry.ActionAuditRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgIn) (*listOut[OrgAuditEntry], error) {
			return a.orgPage(ctx, c, id, in.query())
		})

	declared(a, operation{ID: "listAudit", Method: "GET", Path: "/audit", Summary: "Read the whole audit log, newest first", Action: registry.ActionPlatformAudit},
		func(ctx context.Context, c web.Caller, in *AuditIn) (*listOut[registry.AuditEntry], error) {
			p, err := a.Store.PlatformAudit(ctx, c.Actor, in.query())
			return &listOut[registry.AuditEntry]{p}, err
		})

	type orgExportIn struct {
		OrgPath
		AuditFilter
		After string `query:"after" maxLength:"22" doc:"ID of the last entry that you have"`
	}
	inOrg(a, operation{ID: "exportOrgAudit", Method: "GET", Path: "/orgs/{org}/audit/export", Summary: "Export an org's audit log as JSON lines, oldest first", Action: registry.ActionAuditRead,
		Sends: exportType, SendsText: exportText},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgExportIn) (*huma.StreamResponse, error) {
			if in.After == "" || in.After == "0" {
				return a.export(ctx, c, id, in.AuditFilter, 0)
			}
			after, ok := a.Identity.ShowNumber(identity.NumberAudit, id, in.After)
			if !ok {
				return nil, registry.Errorf(registry.CodeInvalid, "after", "after is the id of an entry of this log: begin again without it")
			}
			return a.export(ctx, c, id, in.AuditFilter, after)
		})
	declared(a, operation{ID: "exportAudit", Method: "GET", Path: "/audit/export", Summary: "Export the whole audit log as JSON lines, oldest first", Action: registry.ActionPlatformAudit,
		Sends: exportType, SendsText: exportText},
		func(ctx context.Context, c web.Caller, in *ExportIn) (*huma.StreamResponse, error) {
			return a.export(ctx, c, "", in.AuditFilter, in.After)
		})

	a.verify()
}
