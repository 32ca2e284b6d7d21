package storetest

import (
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
	e.ok(e.s.VerifyAudit(ctx, operator))
	e.want(e.s.VerifyAudit(ctx, asA), registry.Forbidden)
	list, err := e.s.Audit(ctx, asA, o.ID, 10)
	e.ok(err)
	if len(list) != 3 || list[0].Actor != "a@example.com" || list[0].Action != registry.OrgUpdated {
		e.Fatalf("%+v", list)
	}
}
