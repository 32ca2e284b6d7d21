package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// WebhookIn is what a new webhook is made of.
type WebhookIn struct {
	URL    string                `json:"url" example:"https://example.com/hook" doc:"where messages are sent; https unless the operator allows the network"`
	Events []registry.ChangeKind `json:"events,omitempty" doc:"kinds of changes to send; default: all"`
}

// WebhookChange is what may change of a webhook.
type WebhookChange struct {
	URL    *string                `json:"url,omitempty" doc:"new address that messages are sent to"`
	Events *[]registry.ChangeKind `json:"events,omitempty" doc:"replaces the list of events; an empty list means all events"`
	Active *bool                  `json:"active,omitempty" doc:"false pauses the webhook"`
}

type webhookOut struct {
	ETag string `header:"ETag" doc:"the webhook's version, for If-Match"`
	Located
	Body struct {
		Webhook registry.Webhook `json:"webhook" doc:"the webhook, without its secret"`
		Secret  string           `json:"secret" shown:"once" doc:"key that signs messages; shown only now"`
	}
}

type replayIn struct {
	Webhook  string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
	Delivery string `path:"delivery" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the delivery"`
}

// webhooks declares the same routes for an org and for the platform.
func (a *API) webhooks() {
	const text = "Messages are signed as in Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`), sent at least once, and tried again for about a day."

	type orgCreateIn struct {
		OrgPath
		Body WebhookIn
	}
	type platformCreateIn struct{ Body WebhookIn }
	create := func(ctx context.Context, c web.Caller, org registry.OrgID, in WebhookIn) (*webhookOut, error) {
		if err := a.mayWebhooks(ctx, c, org, registry.ActionWebhookManage); err != nil {
			return nil, err
		}
		w, secret, err := a.Webhooks.Create(ctx, c.Actor, org, in.URL, in.Events)
		out := &webhookOut{ETag: strconv.Quote(w.Version())}
		out.Body.Webhook, out.Body.Secret = w, secret
		out.Located = inside(ctx, org, "webhooks", string(w.ID))
		return out, err
	}
	inOrg(a, operation{ID: "createWebhook", Method: "POST", Path: "/orgs/{org}/webhooks", Summary: "Make a webhook of an org", Description: text, Action: registry.ActionWebhookManage, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgCreateIn) (*webhookOut, error) {
			return create(ctx, c, id, in.Body)
		})
	declared(a, operation{ID: "createPlatformWebhook", Method: "POST", Path: "/webhooks", Summary: "Make a webhook of the platform", Description: text, Action: registry.ActionPlatformAudit, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *platformCreateIn) (*webhookOut, error) {
			return create(ctx, c, "", in.Body)
		})

	list := func(ctx context.Context, c web.Caller, org registry.OrgID) (*listOut[registry.Webhook], error) {
		l, err := a.Store.Webhooks(ctx, c.Actor, org)
		return &listOut[registry.Webhook]{registry.Page[registry.Webhook]{Items: l}}, err
	}
	inOrg(a, operation{ID: "listWebhooks", Method: "GET", Path: "/orgs/{org}/webhooks", Summary: "List an org's webhooks", Action: registry.ActionWebhookRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*listOut[registry.Webhook], error) {
			return list(ctx, c, id)
		})
	declared(a, operation{ID: "listPlatformWebhooks", Method: "GET", Path: "/webhooks", Summary: "List the platform's webhooks", Action: registry.ActionPlatformAudit},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[registry.Webhook], error) {
			return list(ctx, c, "")
		})

	a.showWebhook()

	// What is done to one webhook, for both.
	one := func(id, method, path, summary string, action registry.Action, status int, f func(ctx context.Context, c web.Caller, org registry.OrgID, hook registry.WebhookID) error) {
		type orgIn struct {
			OrgPath
			Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
		}
		type platformIn struct {
			Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
		}
		inOrg(a, operation{ID: id + "Webhook", Method: method, Path: "/orgs/{org}/webhooks/{webhook}" + path, Summary: summary, Action: action, Status: status},
			func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgIn) (*none, error) {
				return &none{}, f(ctx, c, org, registry.WebhookID(in.Webhook))
			})
		declared(a, operation{ID: id + "PlatformWebhook", Method: method, Path: "/webhooks/{webhook}" + path, Summary: summary, Action: registry.ActionPlatformAudit, Status: status},
			func(ctx context.Context, c web.Caller, in *platformIn) (*none, error) {
				return &none{}, f(ctx, c, "", registry.WebhookID(in.Webhook))
			})
	}
	one("delete", "DELETE", "", "Delete a webhook", registry.ActionWebhookManage, 204, func(ctx context.Context, c web.Caller, org registry.OrgID, hook registry.WebhookID) error {
		return a.Store.DeleteWebhook(ctx, c.Actor, org, hook)
	})
	one("test", "POST", "/test", "Send a webhook a message that means nothing", registry.ActionWebhookManage, 202, func(ctx context.Context, c web.Caller, org registry.OrgID, hook registry.WebhookID) error {
		return a.Webhooks.Test(ctx, c.Actor, org, hook)
	})

	type orgUpdateIn struct {
		OrgPath
		Precondition
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
		Body    WebhookChange
	}
	type platformUpdateIn struct {
		Precondition
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
		Body    WebhookChange
	}
	update := func(ctx context.Context, c web.Caller, org registry.OrgID, hook string, match Precondition, in WebhookChange) (*none, error) {
		if err := a.mayWebhooks(ctx, c, org, registry.ActionWebhookManage); err != nil {
			return nil, err
		}
		if in.URL != nil {
			if err := a.Webhooks.Check(*in.URL); err != nil {
				return nil, err
			}
		}
		seen, err := match.version()
		if err != nil {
			return nil, err
		}
		return &none{}, a.Store.UpdateWebhook(ctx, c.Actor, org, registry.WebhookID(hook),
			registry.WebhookChange{Version: seen, URL: in.URL, Events: in.Events, Active: in.Active})
	}
	inOrg(a, operation{ID: "updateWebhook", Method: "PATCH", Path: "/orgs/{org}/webhooks/{webhook}", Summary: "Change a webhook", Action: registry.ActionWebhookManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgUpdateIn) (*none, error) {
			return update(ctx, c, org, in.Webhook, in.Precondition, in.Body)
		})
	declared(a, operation{ID: "updatePlatformWebhook", Method: "PATCH", Path: "/webhooks/{webhook}", Summary: "Change a webhook", Action: registry.ActionPlatformAudit},
		func(ctx context.Context, c web.Caller, in *platformUpdateIn) (*none, error) {
			return update(ctx, c, "", in.Webhook, in.Precondition, in.Body)
		})

	type orgLogIn struct {
		OrgPath
		PageIn
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
	}
	type platformLogIn struct {
		PageIn
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
	}
	inOrg(a, operation{ID: "listDeliveries", Method: "GET", Path: "/orgs/{org}/webhooks/{webhook}/deliveries", Summary: "Read what a webhook was told, newest first, for 7 days", Action: registry.ActionWebhookRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgLogIn) (*listOut[registry.Delivery], error) {
			p, err := a.Store.Deliveries(ctx, c.Actor, org, registry.WebhookID(in.Webhook), in.list(""))
			return &listOut[registry.Delivery]{p}, err
		})
	declared(a, operation{ID: "listPlatformDeliveries", Method: "GET", Path: "/webhooks/{webhook}/deliveries", Summary: "Read what a webhook was told, newest first, for 7 days", Action: registry.ActionPlatformAudit},
		func(ctx context.Context, c web.Caller, in *platformLogIn) (*listOut[registry.Delivery], error) {
			p, err := a.Store.Deliveries(ctx, c.Actor, "", registry.WebhookID(in.Webhook), in.list(""))
			return &listOut[registry.Delivery]{p}, err
		})

	type orgReplayIn struct {
		OrgPath
		Webhook  string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
		Delivery string `path:"delivery" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the delivery"`
	}
	inOrg(a, operation{ID: "replayDelivery", Method: "POST", Path: "/orgs/{org}/webhooks/{webhook}/deliveries/{delivery}/replay", Summary: "Send a message again", Action: registry.ActionWebhookManage, Status: http.StatusAccepted},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgReplayIn) (*none, error) {
			return &none{}, a.Webhooks.Replay(ctx, c.Actor, org, registry.WebhookID(in.Webhook), in.Delivery)
		})
	declared(a, operation{ID: "replayPlatformDelivery", Method: "POST", Path: "/webhooks/{webhook}/deliveries/{delivery}/replay", Summary: "Send a message again", Action: registry.ActionPlatformAudit, Status: http.StatusAccepted},
		func(ctx context.Context, c web.Caller, in *replayIn) (*none, error) {
			return &none{}, a.Webhooks.Replay(ctx, c.Actor, "", registry.WebhookID(in.Webhook), in.Delivery)
		})
}

func (a *API) showWebhook() {
	type orgIn struct {
		OrgPath
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
	}
	type platformIn struct {
		Webhook string `path:"webhook" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the webhook"`
	}
	type showOut struct {
		ETag string `header:"ETag" doc:"the webhook's version, for If-Match"`
		Body registry.Webhook
	}
	show := func(ctx context.Context, c web.Caller, org registry.OrgID, id string) (*showOut, error) {
		l, err := a.Store.Webhooks(ctx, c.Actor, org)
		w, err := pick("webhook", l, err, func(w registry.Webhook) bool { return string(w.ID) == id })
		return &showOut{strconv.Quote(w.Version()), w}, err
	}
	inOrg(a, operation{ID: "showWebhook", Method: "GET", Path: "/orgs/{org}/webhooks/{webhook}", Summary: "Show a webhook of an org", Action: registry.ActionWebhookRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgIn) (*showOut, error) {
			return show(ctx, c, org, in.Webhook)
		})
	declared(a, operation{ID: "showPlatformWebhook", Method: "GET", Path: "/webhooks/{webhook}", Summary: "Show a webhook of the platform", Action: registry.ActionPlatformAudit},
		func(ctx context.Context, c web.Caller, in *platformIn) (*showOut, error) {
			return show(ctx, c, "", in.Webhook)
		})
}

// mayWebhooks decides before an address is judged, so that a refusal tells nothing of networks.
func (a *API) mayWebhooks(ctx context.Context, c web.Caller, org registry.OrgID, action registry.Action) error {
	if org == "" {
		if !registry.Allows(c.Actor, "", action) {
			return registry.Errorf(registry.CodeForbidden, "", "only a platform admin may do this")
		}
		return nil
	}
	_, err := a.Store.Authorize(ctx, c.Actor, org, action)
	return err
}
