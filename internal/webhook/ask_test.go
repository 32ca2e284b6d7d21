package webhook_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestAsked: tests and replays are limited by org, and by the host that they go to. Who may not ask
// uses up nothing.
func TestAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		operator := registry.AsOperator()
		busy := func(n int, org registry.OrgID, w registry.Webhook, a registry.Actor) (refused int) {
			t.Helper()
			for range n {
				switch err := f.sender.Test(t.Context(), a, org, w.ID); registry.ErrorCode(err) {
				case registry.CodeTooManyRequests:
					refused++
				case "":
				default:
					t.Fatal(err)
				}
			}
			return refused
		}
		f.run()
		defer f.stop()
		mine, _ := f.hook(f.org.ID, "http://127.0.0.1:1/", registry.ChangeOrgUpdated)
		elsewhere, _ := f.hook(f.org.ID, "http://127.0.0.2:1/", registry.ChangeOrgUpdated)
		for range 50 {
			if f.sender.Test(t.Context(), registry.AsVisitor("192.0.2.1"), f.org.ID, mine.ID) == nil {
				t.Fatal("a visitor may ask")
			}
		}
		if n := busy(30, f.org.ID, mine, operator); n != 10 {
			t.Errorf("%d of 30 tests of one org were refused, want 10", n)
		}
		delivery := f.log(mine)[0].ID
		for _, err := range []error{
			f.sender.Replay(t.Context(), operator, f.org.ID, mine.ID, delivery),
			f.sender.Test(t.Context(), operator, f.org.ID, elsewhere.ID),
		} {
			if registry.ErrorCode(err) != registry.CodeTooManyRequests {
				t.Errorf("beyond the limit of the org: %v", err)
			}
		}
		var total int
		for i := range 4 {
			o, err := f.store.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: fmt.Sprintf("org-%d", i)})
			if err != nil {
				t.Fatal(err)
			}
			w, _ := f.hook(o.ID, "http://127.0.0.1:1/x", registry.ChangeOrgUpdated)
			total += busy(15, o.ID, w, operator)
		}
		if total != 20 { // 60 in all, of which the first org had 20
			t.Errorf("%d of 60 tests to one host were refused, want 20", total)
		}
		time.Sleep(time.Minute) // of the bubble
		if n := busy(3, f.org.ID, mine, operator); n != 1 {
			t.Errorf("a minute later %d of 3 were refused, want 1", n)
		}
	})
}
