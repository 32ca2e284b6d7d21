package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// VerifyIn names heads that were kept elsewhere.
type VerifyIn struct {
	Head []string `query:"head,explode" maxItems:"100" doc:"a saved head, as seq:hash"`
}

func (in VerifyIn) heads() (registry.AuditHeads, error) {
	heads := registry.AuditHeads{}
	for _, text := range in.Head {
		h, ok := registry.ParseAuditHead(text)
		if !ok {
			return nil, registry.Errorf(registry.CodeInvalid, "head",
				"write a head as seq:hash, with the 64 hex digits of the hash")
		}
		heads.Add(h)
	}
	return heads, nil
}

const verifyText = "Checks the hash chain, the MAC of every entry, and where the log ends and begins. " +
	"409 names the first entry that does not hold. Give heads that were saved elsewhere to find out " +
	"whether the log was cut off or written anew since."

func (a *API) verify() {
	type verifyOut struct {
		Body struct {
			Whole bool `json:"whole" doc:"true: every entry is intact"`
			registry.AuditReport
		}
	}
	declared(a, operation{
		ID: "verifyAudit", Method: "GET", Path: "/audit/verify", Summary: "Check the audit log",
		Action: registry.ActionPlatformAudit, Description: verifyText,
	}, func(ctx context.Context, c web.Caller, in *VerifyIn) (*verifyOut, error) {
		heads, err := in.heads()
		if err != nil {
			return nil, err
		}
		o := new(verifyOut)
		o.Body.Whole = true
		o.Body.AuditReport, err = a.Store.VerifyAudit(ctx, c.Actor, heads)
		return o, err
	})
}
