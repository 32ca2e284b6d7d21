package sqlstore_test

import (
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestWebhooksOfAShorterFeed: webhooks whose place is behind the end of the feed are told what comes
// next all the same.
func TestWebhooksOfAShorterFeed(t *testing.T) {
	w := newAuditWorld(t)
	ctx, operator, system := t.Context(), registry.AsOperator(), registry.AsSystem("test")
	hook, err := w.s.CreateWebhook(ctx, operator, registry.Webhook{
		ID: registry.WebhookID(registry.NewID()), URL: "https://example.com",
		Events: []registry.ChangeKind{registry.ChangeOrgCreated},
		Sealed: w.key.Sealer("webhooks").Seal(nil, nil, nil, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Exec(`UPDATE meta SET value = '1000' WHERE key = 'webhooks_seq'`); err != nil {
		t.Fatal(err)
	}
	if err := w.s.SpreadChanges(ctx, system); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	if err := w.s.SpreadChanges(ctx, system); err != nil {
		t.Fatal(err)
	}
	p, err := w.s.Deliveries(ctx, operator, "", hook.ID, registry.List{})
	if err != nil || len(p.Items) != 1 {
		t.Errorf("%+v %v", p.Items, err)
	}
}
