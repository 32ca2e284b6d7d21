package console

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// hookView is a webhook with its newest messages.
type hookView struct {
	registry.Webhook
	Log []registry.Delivery
}

type webhooksData struct {
	Hooks  []hookView
	Base   string
	Secret string // of one just made, shown this once
	// What a webhook can be told of here.
	Offered []registry.ChangeKind
}

// deliveryOf is how far a message is.
func deliveryOf(d registry.Delivery) status {
	switch d.State {
	case registry.DeliveryDone:
		return status{"Delivered", "●", "good"}
	case registry.DeliveryGivenUp:
		return status{"Given up", "▲", "bad"}
	}
	if d.Attempts > 0 {
		return status{"Failing", "◐", "wait"}
	}
	return status{"Waiting", "◐", "wait"}
}

// webhooksOf is the page of an org's webhooks, or where there is no {org} of the platform's.
func (c *Console) webhooksOf(r *http.Request, who web.Caller, action registry.Action) (v view, org registry.OrgID, d webhooksData, err error) {
	if r.PathValue("org") == "" {
		if !registry.Allows(who.Actor, "", action) {
			return v, "", d, registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees the platform's webhooks.")
		}
		v, d.Base = view{Title: "Webhooks", Who: who, Section: "webhooks"}, "/platform/webhooks"
	} else {
		if v, err = c.orgView(r, who, "webhooks", action); err != nil {
			return v, "", d, err
		}
		org, d.Base = v.Org.ID, "/orgs/"+v.Org.Slug+"/webhooks"
	}
	d.Offered = registry.WebhookEvents(org)
	hooks, err := c.Store.Webhooks(r.Context(), who.Actor, org)
	if err != nil {
		return v, org, d, err
	}
	for _, w := range hooks {
		p, err := c.Store.Deliveries(r.Context(), who.Actor, org, w.ID, registry.List{Limit: 10})
		if err != nil {
			return v, org, d, err
		}
		d.Hooks = append(d.Hooks, hookView{w, p.Items})
	}
	v.Data = d
	return v, org, d, nil
}

func (c *Console) webhooksPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, d, err := c.webhooksOf(r, who, registry.ActionWebhookRead)
	if err != nil {
		return err
	}
	if _, err := c.takeShown(r, who, &d.Secret); err != nil {
		return err
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "webhooks.html", v)
}

func (c *Console) createWebhook(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, org, d, err := c.webhooksOf(r, who, registry.ActionWebhookManage)
	if err != nil {
		return err
	}
	var events []registry.ChangeKind
	for _, e := range r.PostForm["event"] {
		events = append(events, registry.ChangeKind(e))
	}
	_, secret, err := c.Webhooks.Create(r.Context(), who.Actor, org, r.PostForm.Get("url"), events)
	if err != nil {
		return c.again(w, r, "webhooks.html", v, err)
	}
	return c.redirectShown(w, r, who, d.Base, secret)
}

// onWebhook does something to a webhook and comes back to the page.
func (c *Console) onWebhook(w http.ResponseWriter, r *http.Request, who web.Caller, f func(ctx context.Context, org registry.OrgID, id registry.WebhookID) error) error {
	v, org, d, err := c.webhooksOf(r, who, registry.ActionWebhookManage)
	if err != nil {
		return err
	}
	if err := f(r.Context(), org, registry.WebhookID(r.PathValue("webhook"))); err != nil {
		return c.again(w, r, "webhooks.html", v, err)
	}
	http.Redirect(w, r, d.Base, http.StatusSeeOther)
	return nil
}

func (c *Console) testWebhook(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onWebhook(w, r, who, func(ctx context.Context, org registry.OrgID, id registry.WebhookID) error {
		return c.Webhooks.Test(ctx, who.Actor, org, id)
	})
}

func (c *Console) activateWebhook(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onWebhook(w, r, who, func(ctx context.Context, org registry.OrgID, id registry.WebhookID) error {
		active := r.PostForm.Get("active") == "true"
		return c.Store.UpdateWebhook(ctx, who.Actor, org, id, registry.WebhookChange{Active: &active})
	})
}

func (c *Console) replayDelivery(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onWebhook(w, r, who, func(ctx context.Context, org registry.OrgID, id registry.WebhookID) error {
		return c.Webhooks.Replay(ctx, who.Actor, org, id, r.PostForm.Get("delivery"))
	})
}

func (c *Console) deleteWebhook(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onWebhook(w, r, who, func(ctx context.Context, org registry.OrgID, id registry.WebhookID) error {
		return c.Store.DeleteWebhook(ctx, who.Actor, org, id)
	})
}
