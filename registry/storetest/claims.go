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
	for _, q := range []queue{
		{
			"letters", letters, letters - 1, func(a registry.Actor, limit int) (list []claimed, err error) {
				mails, err := e.s.ClaimMails(ctx, a, limit)
				for _, m := range mails {
					list = append(list, claimed{
						m.ID,
						func() error { return e.s.ReleaseMail(ctx, system, m) },
						func(next time.Time) error { return e.s.ReportMail(ctx, system, m, next) },
					})
				}
				return list, err
			},
		},
		{
			"messages", 2, 2, func(a registry.Actor, limit int) (list []claimed, err error) {
				tasks, err := e.s.ClaimDeliveries(ctx, a, limit)
				for _, t := range tasks {
					list = append(list, claimed{
						t.ID,
						func() error { return e.s.ReleaseDelivery(ctx, system, t) },
						func(next time.Time) error {
							failure := ""
							if !next.IsZero() {
								failure = "it broke"
							}
							return e.s.ReportDelivery(ctx, system, t, 200, failure, next)
						},
					})
				}
				return list, err
			},
		},
	} {
		q.test(e)
	}
}

// queue is one of those from which things are claimed.
type queue struct {
	name  string
	first int // that one claim gets
	left  int // that it gets after one was reported
	claim func(a registry.Actor, limit int) ([]claimed, error)
}

// claimed is a letter or a message, and how whoever claimed it ends that.
type claimed struct {
	id      string
	release func() error
	report  func(next time.Time) error
}

func (q queue) test(e env) {
	_, err := q.claim(operator, 1)
	e.want(err, registry.CodeForbidden)
	claim := func(limit, want int) []claimed {
		e.Helper()
		list, err := q.claim(system, limit)
		e.ok(err)
		if len(list) != want {
			e.Fatalf("%d %s, want %d", len(list), q.name, want)
		}
		return list
	}
	// At once, each is claimed once, and one of a webhook.
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string][]claimed{}
	for range 8 {
		wg.Go(func() {
			list, err := q.claim(system, 10)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				e.Error(err)
			}
			for _, c := range list {
				got[c.id] = append(got[c.id], c)
			}
		})
	}
	wg.Wait()
	if len(got) != q.first {
		e.Fatalf("%d %s are claimed, want %d", len(got), q.name, q.first)
	}
	for id, claims := range got {
		if n := len(claims); n != 1 {
			e.Errorf("%s was claimed %d times", id, n)
		}
	}
	claim(10, 0)
	e.clock.Add(registry.ClaimLife) // whoever had them stands still
	again := claim(1, 1)[0]
	lost := got[again.id][0]
	claim(10, q.first-1)
	e.ok(lost.release())
	e.want(lost.report(time.Time{}), registry.CodeConflict)
	e.want(lost.report(e.clock.Now().Add(-time.Second)), registry.CodeConflict)
	claim(10, 0)
	e.ok(again.release())
	e.want(lost.report(time.Time{}), registry.CodeConflict)
	back := claim(10, 1)[0]
	if back.id != again.id {
		e.Errorf("%s came back in place of %s", back.id, again.id)
	}
	e.ok(back.report(time.Time{}))
	e.want(back.report(time.Time{}), registry.CodeConflict)
	e.ok(e.s.BreakLeases(ctx, system))
	claim(10, q.left)
}
