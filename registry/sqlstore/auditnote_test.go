package sqlstore_test

import (
	"encoding/json"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestAuditHeadIsTold: the platform's webhooks are told a head once, if they want to; an org's never,
// and it cannot ask for it. Telling moves nothing.
func TestAuditHeadIsTold(t *testing.T) {
	w := newAuditWorld(t)
	ctx, operator, system := t.Context(), registry.AsOperator(), registry.AsSystem("test")
	o, err := w.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	hook := func(org registry.OrgID, events ...registry.ChangeKind) registry.Webhook {
		t.Helper()
		h, err := w.s.CreateWebhook(ctx, operator, registry.Webhook{
			ID: registry.WebhookID(registry.NewID()), OrgID: org, URL: "https://example.com",
			Events: events, Sealed: w.key.Sealer("webhooks").Seal(nil, nil, nil, nil),
		})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	told := func(h registry.Webhook) (bodies []string) {
		t.Helper()
		p, err := w.s.Deliveries(ctx, operator, h.OrgID, h.ID, registry.List{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Items {
			if d.Event == registry.ChangeAuditHead {
				bodies = append(bodies, d.Body)
			}
		}
		return bodies
	}
	all, only := hook(""), hook("", registry.ChangeAuditHead)
	other, orgs := hook("", registry.ChangeOrgCreated), hook(o.ID)
	_, err = w.s.CreateWebhook(ctx, operator, registry.Webhook{
		ID: "x", OrgID: o.ID, URL: "https://example.com", Events: []registry.ChangeKind{registry.ChangeAuditHead},
	})
	if registry.ErrorCode(err) != registry.CodeInvalid {
		t.Errorf("an org asks for it: %v", err)
	}
	events := []registry.ChangeKind{registry.ChangeAuditHead}
	err = w.s.UpdateWebhook(ctx, operator, o.ID, orgs.ID, registry.WebhookChange{Events: &events})
	if registry.ErrorCode(err) != registry.CodeInvalid {
		t.Errorf("an org asks for it later: %v", err)
	}
	before := w.head()
	changed := w.s.Changed()
	for i, moved := range []bool{true, false} {
		head, is, err := w.s.NoteAuditHead(ctx, system)
		if err != nil || is != moved || head != before {
			t.Fatalf("%d: %+v %t %v", i, head, is, err)
		}
	}
	select {
	case <-changed:
	default:
		t.Error("the sender sleeps on")
	}
	if w.head() != before || len(told(other)) != 0 || len(told(orgs)) != 0 || len(told(all)) != 1 {
		t.Errorf("%v %v %v", told(other), told(orgs), told(all))
	}
	var m struct {
		Type string
		Data registry.AuditHead
	}
	bodies := told(only)
	if len(bodies) != 1 || json.Unmarshal([]byte(bodies[0]), &m) != nil || m.Type != "audit.head" ||
		m.Data != before {
		t.Errorf("%v", bodies)
	}
	w.write(1)
	if _, moved, err := w.s.NoteAuditHead(ctx, system); err != nil || !moved ||
		len(told(only)) != 2 {
		t.Errorf("%t %v", moved, err)
	}
}
