package storetest

import (
	"time"

	"fmt"
	"sync"

	"github.com/pizzaface/pizzeria/registry"
)

// feed: under concurrent writers a reader sees every number, in order, exactly once.
func feed(e env) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	var seen []int64
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		for last := int64(0); ; {
			c, err := e.s.Changes(ctx, system, last, 7)
			if err != nil {
				return
			}
			for _, x := range c {
				seen, last = append(seen, x.Seq), x.Seq
			}
			if len(c) == 0 {
				select {
				case <-done:
					if head, err := e.s.Head(ctx, system); err != nil || head == last {
						return
					}
				default:
				}
			}
		}
	}()
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				_, _ = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: fmt.Sprintf("o%d-%d", w, i%15)}) // some fail: no number is lost
			}
		})
	}
	wg.Wait()
	close(done)
	<-reader
	for i, n := range seen {
		if n != int64(i+1) {
			e.Fatalf("entry %d has number %d", i, n)
		}
	}
	if len(seen) != 8*15 {
		e.Fatalf("%d changes", len(seen))
	}
}

func auditChain(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.ok(e.s.UpdateOrg(ctx, asA, o.ID, 0, "Acme Inc"))
	r, err := e.s.VerifyAudit(ctx, operator, nil)
	e.ok(err)
	head, err := e.s.AuditHead(ctx, operator)
	e.ok(err)
	if r.First != 1 || r.Head != head || head.Seq == 0 {
		e.Fatalf("%+v %+v", r, head)
	}
	e.want(second(e.s.VerifyAudit(ctx, asA, nil)), registry.CodeForbidden)
	e.want(second(e.s.AuditHead(ctx, asA)), registry.CodeForbidden)
	_, _, err = e.s.NoteAuditHead(ctx, operator)
	e.want(err, registry.CodeForbidden)
	e.want(second(e.s.EraseAudit(ctx, operator, a.ID)), registry.CodeForbidden)
	p, err := e.s.Audit(ctx, asA, o.ID, registry.AuditList{})
	e.ok(err)
	list := p.Items
	if len(list) != 3 || list[0].Actor != "a@example.com" || list[0].Action != registry.ChangeOrgUpdated {
		e.Fatalf("%+v", list)
	}
}

// events: a member sees the org's, a platform admin all, nobody another's.
func events(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o, other := e.org("acme", a.ID), e.org("other", "")
	e.ok(e.s.UpdateOrg(ctx, asA, o.ID, 0, "Acme Inc"))
	list, err := e.s.Events(ctx, asA, o.ID, 0, 10)
	e.ok(err)
	for _, c := range list {
		if c.OrgID != o.ID {
			e.Fatalf("another org's change: %+v", c)
		}
	}
	if len(list) != 3 || list[2].Kind != registry.ChangeOrgUpdated {
		e.Fatalf("%+v", list)
	}
	if list, err = e.s.Events(ctx, asA, o.ID, list[1].Seq, 10); err != nil || len(list) != 1 {
		e.Fatalf("behind the second: %+v %v", list, err)
	}
	e.want(second(e.s.Events(ctx, asB, o.ID, 0, 10)), registry.CodeNotFound)
	e.want(second(e.s.Events(ctx, asA, other.ID, 0, 10)), registry.CodeNotFound)
	e.want(second(e.s.Events(ctx, asA, "", 0, 10)), registry.CodeForbidden)
	_, head, err := e.s.EventBounds(ctx, operator, "")
	e.ok(err)
	if all, err := e.s.Events(ctx, operator, "", 0, 100); err != nil || int64(len(all)) != head {
		e.Fatalf("%d of %d changes, %v", len(all), head, err)
	}
}

// idempotency: one request of one actor has a key; its answer is given again for a day.
func idempotency(e env) {
	_, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	begin := func(a registry.Actor, request string) ([]byte, error) {
		return e.s.BeginIdempotent(ctx, a, "key", secret(request))
	}
	b, err := begin(asA, "one")
	if err != nil || b != nil {
		e.Fatalf("first: %q %v", b, err)
	}
	e.want(second(begin(asA, "one")), registry.CodeConflict)
	e.want(second(begin(asA, "two")), registry.CodeInvalid)
	e.ok(second(begin(asB, "one"))) // another's key is another key
	e.ok(e.s.FinishIdempotent(ctx, asB, "key", nil))
	e.ok(second(begin(asB, "two"))) // free again
	e.ok(e.s.FinishIdempotent(ctx, asA, "key", []byte("answer")))
	if b, err = begin(asA, "one"); err != nil || string(b) != "answer" {
		e.Fatalf("again: %q %v", b, err)
	}
	e.want(second(begin(asA, "two")), registry.CodeInvalid)
	e.clock.Add(25 * time.Hour)
	if b, err = begin(asA, "two"); err != nil || b != nil {
		e.Fatalf("a day later: %q %v", b, err)
	}
}
