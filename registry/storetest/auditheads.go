package storetest

import "github.com/pizzaface/pizzeria/registry"

// auditHeads: a new head of the audit log is delivered to platform webhooks once.
func auditHeads(e env) {
	o := e.org("acme", "")
	w, err := e.s.CreateWebhook(ctx, operator, registry.Webhook{
		ID: registry.WebhookID(registry.NewID()), URL: "https://example.com/hook",
		Events: []registry.ChangeKind{registry.ChangeAuditHead}, Sealed: []byte("sealed"),
	})
	e.ok(err)
	delivered := 0
	for _, isNew := range []bool{true, false, true} {
		if isNew {
			e.ok(e.s.UpdateOrg(ctx, operator, o.ID, 0, registry.NewID()))
			delivered++
		}
		want, err := e.s.AuditHead(ctx, operator)
		e.ok(err)
		head, moved, err := e.s.NoteAuditHead(ctx, system)
		e.ok(err)
		p, err := e.s.Deliveries(ctx, operator, "", w.ID, registry.List{})
		e.ok(err)
		if head != want || moved != isNew || len(p.Items) != delivered {
			e.Fatalf("%+v, want %+v; moved %t, want %t; %+v", head, want, moved, isNew, p.Items)
		}
	}
}

// auditTexts: bytes that are no text do not make the audit log look changed.
func auditTexts(e env) {
	u, _ := e.user("a@example.com")
	o := e.org("acme", u.ID)
	e.ok(e.s.UpdateOrg(ctx, registry.AsUser(u, "", "192.0.2.1\xff\x00"), o.ID, 0, "Acme"))
	_, err := e.s.VerifyAudit(ctx, operator, nil)
	e.ok(err)
	p, err := e.s.Audit(ctx, operator, o.ID, registry.AuditList{})
	e.ok(err)
	if got := p.Items[0].Address; got != "192.0.2.1\uFFFD\uFFFD" {
		e.Errorf("%q", got)
	}
}
