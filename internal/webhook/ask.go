package webhook

import (
	"context"
	"net/url"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

// Test sends a webhook a message that means nothing. Errors: those of the store, CodeTooManyRequests.
func (s *Sender) Test(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error {
	return s.ask(ctx, a, org, id, func() error { return s.store.TestWebhook(ctx, a, org, id) })
}

// Replay sends a message again, with the same ID. Errors: those of the store, CodeTooManyRequests.
func (s *Sender) Replay(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, delivery string) error {
	return s.ask(ctx, a, org, id, func() error { return s.store.ReplayDelivery(ctx, a, org, id, delivery) })
}

// ask runs send unless a limit refuses it. What the store refuses, for want of a permission too, is
// given back.
func (s *Sender) ask(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, send func() error) error {
	list, err := s.store.Webhooks(ctx, a, org)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(w registry.Webhook) bool { return w.ID == id })
	if i < 0 {
		return send() // which says what is wrong
	}
	u, err := url.Parse(list[i].URL)
	if err != nil {
		return err
	}
	back, err := s.accounts.TakeMessage(ctx, org, u.Hostname())
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		back()
		return err
	}
	return nil
}
