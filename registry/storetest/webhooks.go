package storetest

import (
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// webhooks: who may, who is told what, and how a message goes on until it arrives or is given up.
func webhooks(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o, other := e.org("acme", a.ID), e.org("other", "")
	_, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	e.ok(e.s.SpreadChanges(ctx, system))
	hook := func(as registry.Actor, org registry.OrgID, events ...registry.ChangeKind) (registry.WebhookID, error) {
		w, err := e.s.CreateWebhook(ctx, as, registry.Webhook{ID: registry.WebhookID(registry.NewID()), OrgID: org, URL: "https://example.com/hook", Events: events, Sealed: []byte("sealed")})
		return w.ID, err
	}
	e.want(second(hook(asMember, o.ID)), registry.CodeForbidden)
	e.want(second(hook(asB, o.ID)), registry.CodeNotFound)
	e.want(second(hook(asA, "")), registry.CodeForbidden)
	e.want(second(hook(asA, o.ID, "org.exploded")), registry.CodeInvalid)
	for _, bad := range []string{"", "example.com", "ftp://example.com", "https://user:pass@example.com", "https://example.com/#x", "https://", "https://example.com/\xff", "https://example.com/" + strings.Repeat("x", 2000)} {
		e.want(second(e.s.CreateWebhook(ctx, asA, registry.Webhook{OrgID: o.ID, URL: bad})), registry.CodeInvalid)
	}
	e.clock.Add(time.Second)
	mine, err := hook(asA, o.ID, registry.ChangeOrgUpdated)
	e.ok(err)
	all, err := hook(operator, "")
	e.ok(err)
	e.ok(e.s.SpreadChanges(ctx, system))
	e.ok(e.s.UpdateOrg(ctx, asA, o.ID, 0, "One"))
	e.ok(e.s.UpdateOrg(ctx, operator, other.ID, 0, "Two"))
	e.ok(e.s.SpreadChanges(ctx, system))
	e.ok(e.s.SpreadChanges(ctx, system)) // and no change twice
	log := func(as registry.Actor, org registry.OrgID, id registry.WebhookID) []registry.Delivery {
		e.Helper()
		p, err := e.s.Deliveries(ctx, as, org, id, registry.List{})
		e.ok(err)
		return p.Items
	}
	got := log(asA, o.ID, mine)
	if len(got) != 1 || got[0].Event != registry.ChangeOrgUpdated || !strings.Contains(got[0].Body, string(o.ID)) || got[0].State != registry.DeliveryPending {
		e.Fatalf("%+v", got)
	}
	updates := 0
	for _, d := range log(operator, "", all) {
		if d.Event == registry.ChangeOrgUpdated {
			updates++
		}
	}
	if updates != 2 {
		e.Fatalf("the platform's webhook heard of %d updates", updates)
	}
	for _, as := range []registry.Actor{asB, asMember} {
		if _, err := e.s.Deliveries(ctx, as, o.ID, mine, registry.List{}); err == nil {
			e.Fatal("somebody else reads the log")
		}
	}
	e.want(second(e.s.Deliveries(ctx, asA, o.ID, all, registry.List{})), registry.CodeNotFound) // not one of the org's
	e.want(e.s.DeleteWebhook(ctx, asA, o.ID, all), registry.CodeNotFound)
	e.want(e.s.TestWebhook(ctx, asA, o.ID, all), registry.CodeNotFound)
	e.want(e.s.ReplayDelivery(ctx, asA, o.ID, mine, log(operator, "", all)[0].ID), registry.CodeNotFound)

	claim := func() (of []registry.Task) {
		e.Helper()
		list, err := e.s.ClaimDeliveries(ctx, system, 100)
		e.ok(err)
		for _, t := range list {
			if t.WebhookID == mine {
				of = append(of, t)
			} else {
				e.ok(e.s.ReleaseDelivery(ctx, system, t))
			}
		}
		return of
	}
	due := func() int {
		e.Helper()
		of := claim()
		for _, t := range of {
			e.ok(e.s.ReleaseDelivery(ctx, system, t))
		}
		return len(of)
	}
	report := func(status int, failure string, next time.Time) {
		e.Helper()
		of := claim()
		if len(of) != 1 {
			e.Fatalf("%d are due", len(of))
		}
		e.ok(e.s.ReportDelivery(ctx, system, of[0], status, failure, next))
	}
	if due() != 1 {
		e.Fatal("what is due")
	}
	id := got[0].ID
	report(500, "it broke", e.clock.Now().Add(time.Minute))
	if d := log(asA, o.ID, mine)[0]; due() != 0 || d.Attempts != 1 || d.Status != 500 || d.State != registry.DeliveryPending {
		e.Fatalf("after a failure: %+v", d)
	}
	e.clock.Add(2 * time.Minute)
	if due() != 1 {
		e.Fatal("it is not tried again")
	}
	report(0, "gone", time.Time{})
	if d := log(asA, o.ID, mine)[0]; due() != 0 || d.State != registry.DeliveryGivenUp {
		e.Fatalf("given up: %+v", d)
	}
	e.ok(e.s.ReplayDelivery(ctx, asA, o.ID, mine, id))
	if due() != 1 {
		e.Fatal("it is not replayed")
	}
	underWay := claim()[0]
	e.ok(e.s.ReplayDelivery(ctx, asA, o.ID, mine, id))
	e.want(e.s.ReportDelivery(ctx, system, underWay, 0, "gone", time.Time{}), registry.CodeConflict)
	if due() != 1 {
		e.Fatal("a try under way ends the replay")
	}
	report(200, "", time.Time{})
	if d := log(asA, o.ID, mine)[0]; d.State != registry.DeliveryDone || d.Error != "" {
		e.Fatalf("delivered: %+v", d)
	}
	e.ok(e.s.TestWebhook(ctx, asA, o.ID, mine))
	off := false
	e.ok(e.s.UpdateWebhook(ctx, asA, o.ID, mine, registry.WebhookChange{Active: &off}))
	if due() != 0 {
		e.Fatal("a webhook that is off is told")
	}
	e.clock.Add(registry.DeliveryLife + time.Hour)
	e.ok(e.s.Sweep(ctx, system))
	if n := len(log(asA, o.ID, mine)); n != 0 {
		e.Fatalf("%d old messages are left", n)
	}
	e.ok(e.s.DeleteWebhook(ctx, asA, o.ID, mine))
	e.want(e.s.DeleteWebhook(ctx, asA, o.ID, mine), registry.CodeNotFound)
}
