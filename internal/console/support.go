package console

import (
	"context"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// askSupport asks an org's owners to let a platform admin in for a while.
func (c *Console) askSupport(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.membersView(r, who)
	if err != nil {
		return err
	}
	hours, err := strconv.Atoi(r.PostForm.Get("hours"))
	if err != nil {
		hours = 0
	}
	_, err = c.Identity.RequestSupport(r.Context(), who.Actor, v.Org.ID, registry.NewSupport{Role: registry.Role(r.PostForm.Get("role")), Reason: r.PostForm.Get("reason"), Hours: hours})
	if err != nil {
		return c.again(w, r, "members.html", v, err)
	}
	http.Redirect(w, r, "/orgs/"+v.Org.Slug+"/members", http.StatusSeeOther)
	return nil
}

// decision is the answer that a form was sent with.
func decision(r *http.Request) registry.Decision {
	return r.PostForm.Get("answer") == "approve"
}

func (c *Console) decideSupport(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		_, err := c.Store.DecideSupport(ctx, who.Actor, o.ID, registry.SupportID(r.PathValue("support")), decision(r))
		return err
	})
}

func (c *Console) endSupport(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.EndSupport(ctx, who.Actor, o.ID, registry.SupportID(r.PathValue("support")))
	})
}

// transferPage asks before an org changes hands.
func (c *Console) transferPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.orgView(r, who, "members", registry.ActionOrgTransfer)
	if err != nil {
		return err
	}
	m, err := c.Store.Member(r.Context(), who.Actor, v.Org.ID, registry.UserID(r.PathValue("user")))
	if err != nil {
		return err
	}
	v.Title, v.Data = "Hand "+v.Org.Name+" over", m
	return c.show(w, r, http.StatusOK, "transfer.html", v)
}

func (c *Console) transfer(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.TransferOrg(ctx, who.Actor, o.ID, registry.UserID(r.PathValue("user")))
	})
}
