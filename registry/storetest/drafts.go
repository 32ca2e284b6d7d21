package storetest

import (
	"sync"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/registry"
)

// drafts: what a person sent is there for the same person alone, for a while, and not without end.
func drafts(e env) {
	a, asA := e.user("a@example.com")
	b, asB := e.user("b@example.com")
	_, asKey := e.key(asA, registry.NewAPIKey{Scopes: everything})
	keep := func(as registry.Actor) registry.DraftID {
		e.Helper()
		id := registry.DraftID(registry.NewID())
		e.ok(e.s.KeepDraft(ctx, as, as.User, id, []byte("sealed")))
		return id
	}
	first := keep(asA)
	other := e.person(a, registry.SessionID(registry.NewID()), "192.0.2.9") // signed in again
	if got, err := e.s.Draft(ctx, other, first); err != nil || string(got) != "sealed" {
		e.Errorf("%q %v", got, err)
	}
	e.want(second(e.s.Draft(ctx, asB, first)), registry.CodeGone)
	e.want(second(e.s.Draft(ctx, asKey, first)), registry.CodePersonNeeded)
	e.want(e.s.KeepDraft(ctx, asKey, a.ID, "x", nil), registry.CodePersonNeeded)
	e.want(e.s.KeepDraft(ctx, operator, a.ID, "x", nil), registry.CodeForbidden)
	e.want(e.s.KeepDraft(ctx, asA, b.ID, "x", nil), registry.CodeNotFound)
	e.want(e.s.KeepDraft(ctx, system, "nobody", "x", nil), registry.CodeNotFound)
	ended := registry.DraftID(registry.NewID()) // their session had ended
	e.ok(e.s.KeepDraft(ctx, system, a.ID, ended, []byte("sealed")))
	e.ok(second(e.s.Draft(ctx, asA, ended)))
	e.want(second(e.s.Draft(ctx, asB, ended)), registry.CodeGone)
	taken := keep(asA)
	e.want(second(e.s.TakeDraft(ctx, asB, taken)), registry.CodeGone)
	e.want(second(e.s.TakeDraft(ctx, asKey, taken)), registry.CodePersonNeeded)
	var got atomic.Int64 // of many at once, one gets it
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch sealed, err := e.s.TakeDraft(ctx, asA, taken); {
			case err == nil && string(sealed) == "sealed":
				got.Add(1)
			case registry.ErrorCode(err) != registry.CodeGone:
				e.Errorf("%q %v", sealed, err)
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n != 1 {
		e.Errorf("%d got it", n)
	}
	theirs := keep(asB)
	for range registry.DraftsMax {
		keep(asA)
	}
	e.want(second(e.s.Draft(ctx, asA, first)), registry.CodeGone)
	e.ok(second(e.s.Draft(ctx, asB, theirs)))
	e.clock.Add(registry.DraftLife)
	e.want(second(e.s.TakeDraft(ctx, asB, theirs)), registry.CodeGone)
	e.want(second(e.s.Draft(ctx, asB, theirs)), registry.CodeGone)
}
