package storetest

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// claims are what the queues of letters and messages have alike.
func claims(e env) {
	const letters = 5
	for range letters {
		e.ok(e.s.QueueMail(ctx, system, registry.Mail{
			ID: registry.NewID(), To: "a@example.com", Sealed: []byte("x"),
		}, ""))
	}
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	for _, id := range []registry.WebhookID{"one", "two"} {
		e.ok(second(e.s.CreateWebhook(ctx, asOwner, registry.Webhook{
			ID: id, OrgID: o.ID, URL: "https://example.com", Sealed: []byte("x"),
		})))
		for range 2 {
			e.ok(e.s.TestWebhook(ctx, asOwner, o.ID, id))
			e.clock.Add(time.Second)
		}
	}
	for _, q := range []struct {
		name    string
		first   int // that one claim gets
		left    int // that it gets after one was reported
		claim   func(a registry.Actor, limit int) ([]string, error)
		release func(id string) error
		report  func(id string) error
	}{
		{
			"letters", letters, letters - 1, func(a registry.Actor, limit int) (ids []string, err error) {
				list, err := e.s.ClaimMails(ctx, a, limit)
				for _, m := range list {
					ids = append(ids, m.ID)
				}
				return ids, err
			},
			func(id string) error { return e.s.ReleaseMail(ctx, system, id) },
			func(id string) error { return e.s.ReportMail(ctx, system, id, time.Time{}) },
		},
		{
			"messages", 2, 2, func(a registry.Actor, limit int) (ids []string, err error) {
				list, err := e.s.ClaimDeliveries(ctx, a, limit)
				for _, t := range list {
					ids = append(ids, t.ID)
				}
				return ids, err
			},
			func(id string) error { return e.s.ReleaseDelivery(ctx, system, id) },
			func(id string) error { return e.s.ReportDelivery(ctx, system, id, 200, "", time.Time{}) },
		},
	} {
		_, err := q.claim(operator, 1)
		e.want(err, registry.CodeForbidden)
		claim := func(limit, want int) []string {
			e.Helper()
			ids, err := q.claim(system, limit)
			e.ok(err)
			if len(ids) != want {
				e.Fatalf("%d %s, want %d", len(ids), q.name, want)
			}
			return ids
		}
		// At once, each is claimed once, and one of a webhook.
		var mu sync.Mutex
		var wg sync.WaitGroup
		got := map[string]int{}
		for range 8 {
			wg.Go(func() {
				ids, err := q.claim(system, 10)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					e.Error(err)
				}
				for _, id := range ids {
					got[id]++
				}
			})
		}
		wg.Wait()
		if len(got) != q.first {
			e.Fatalf("%d %s are claimed, want %d", len(got), q.name, q.first)
		}
		for id, n := range got {
			if n != 1 {
				e.Errorf("%s was claimed %d times", id, n)
			}
		}
		claim(10, 0)
		e.clock.Add(registry.ClaimLife) // whoever had them is gone
		again := claim(1, 1)
		claim(10, q.first-1)
		e.ok(q.release(again[0]))
		if id := claim(10, 1)[0]; id != again[0] {
			e.Errorf("%s came back in place of %s", id, again[0])
		}
		e.ok(q.report(again[0]))
		e.ok(e.s.BreakLeases(ctx, system))
		claim(10, q.left)
	}
}
