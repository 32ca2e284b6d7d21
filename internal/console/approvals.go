package console

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// approve approves a request; an invitation's link is shown this once.
func (c *Console) approve(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	i, err := c.Identity.DecideApproval(r.Context(), who.Actor, o.ID,
		registry.ApprovalID(r.PathValue("approval")), registry.DecisionApprove)
	if err != nil || i.Invite.ID == "" {
		return c.answered(w, r, who, o, err)
	}
	return c.invited(w, r, who, o, []identity.Invitation{i}, nil)
}

func (c *Console) refuse(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	_, err = c.Identity.DecideApproval(r.Context(), who.Actor, o.ID,
		registry.ApprovalID(r.PathValue("approval")), registry.DecisionDeny)
	return c.answered(w, r, who, o, err)
}

// answered leads back to the members; what is in the way is said there.
func (c *Console) answered(
	w http.ResponseWriter, r *http.Request, who web.Caller, o registry.OrgView, err error,
) error {
	if err != nil {
		v, _, err2 := c.membersView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "members.html", v, err)
	}
	http.Redirect(w, r, "/orgs/"+o.Slug+"/members", http.StatusSeeOther)
	return nil
}

func (c *Console) endApproval(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.EndApproval(ctx, who.Actor, o.ID, registry.ApprovalID(r.PathValue("approval")))
	})
}
