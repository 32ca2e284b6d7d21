package webhook_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestRetries: a message that fails is sent again after longer and longer pauses, each time with a
// signature of
// its own time, and given up after about a day.
func TestRetries(t *testing.T) {
	r := newReceiver(t)
	r.set(500)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, secret := f.hook(f.org.ID, r.URL, registry.ChangeOrgUpdated)
		begun := time.Now()
		f.rename(f.org.ID, "Told")
		// The least time between the tries; a sender looks every 5 seconds.
		pauses := []time.Duration{0, 5 * time.Second, 30 * time.Second, 2 * time.Minute,
			10 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 12 * time.Hour}
		var last time.Time
		for n, pause := range pauses {
			if n > 0 {
				if f.pass(time.Until(last.Add(pause - time.Second))); len(r.all()) != n {
					t.Fatalf("try %d comes before %s", n+1, pause)
				}
				f.pass(7 * time.Second)
			}
			got := r.all()
			if len(got) != n+1 {
				t.Fatalf("%d tries after pause %d", len(got), n)
			}
			try := got[n]
			unix, err := strconv.ParseInt(try.header.Get("Webhook-Timestamp"), 10, 64)
			at := time.Unix(unix, 0)
			if err != nil || at.Before(last) || time.Since(at) > 7*time.Second ||
				!signed(t, try, secret) {
				t.Errorf("try %d is of %s, now it is %s, the signature fits: %t", n+1, at,
					time.Now(), signed(t, try, secret))
			}
			if try.header.Get("Webhook-Id") != got[0].header.Get("Webhook-Id") ||
				try.body != got[0].body {
				t.Errorf("try %d is another message", n+1)
			}
			last = at
		}
		d := f.log(w)[0]
		if d.State != registry.DeliveryGivenUp || d.Attempts != len(pauses) || d.Status != 500 ||
			d.Error != "it answered 500 Internal Server Error" || !d.NextAt.IsZero() {
			t.Errorf("given up: %+v", d)
		}
		if took := time.Since(begun); took < 24*time.Hour || took > 25*time.Hour {
			t.Errorf("given up after %s", took)
		}
		if f.pass(time.Hour); len(r.all()) != len(pauses) {
			t.Errorf("it is sent again after it was given up")
		}

		// Somebody has it sent again: the same message, with all its tries.
		r.set(503)
		if err := f.store.ReplayDelivery(t.Context(), registry.AsOperator(), f.org.ID, w.ID,
			d.ID); err != nil {
			t.Fatal(err)
		}
		f.pass(time.Second)
		r.set(200)
		f.pass(10 * time.Second)
		got := r.all()
		if len(got) != len(pauses)+2 ||
			got[len(got)-1].header.Get("Webhook-Id") != got[0].header.Get("Webhook-Id") {
			t.Fatalf("%d requests after the replay", len(got))
		}
		if d := f.log(w)[0]; d.State != registry.DeliveryDone || d.Attempts != 2 ||
			d.Status != 200 || d.Error != "" {
			t.Errorf("after the replay: %+v", d)
		}
	})
}

// TestRestart: what a server that ends had under way is neither lost nor counted as a failure.
func TestRestart(t *testing.T) {
	r := newReceiver(t)
	r.gate = make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, _ := f.hook(f.org.ID, r.URL, registry.ChangeOrgUpdated)
		if err := f.store.UpdateOrg(t.Context(), registry.AsOperator(), f.org.ID, 0,
			"Told"); err != nil {
			t.Fatal(err)
		}
		for len(r.all()) == 0 { // it is being sent: the bubble is not at rest, so its time stands
			waitOutside()
		}
		f.stop()
		if d := f.log(w); len(d) != 1 || d[0].State != registry.DeliveryPending ||
			d[0].Attempts != 0 {
			t.Fatalf("a server that ended has noted %+v", d)
		}
		close(r.gate)
		f.run()
		f.pass(time.Second)
		got := r.all()
		if len(got) != 2 || got[0].header.Get("Webhook-Id") != got[1].header.Get("Webhook-Id") {
			t.Errorf("%d requests", len(got))
		}
		if d := f.log(w); d[0].State != registry.DeliveryDone || d[0].Attempts != 1 {
			t.Errorf("%+v", d)
		}
	})
}

// TestSlowAddress: one that does not answer holds up its own messages alone, one at a time.
func TestSlowAddress(t *testing.T) {
	slow, quick := newReceiver(t), newReceiver(t)
	slow.gate = make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, _ := f.hook(f.org.ID, slow.URL, registry.ChangeOrgUpdated)
		f.hook(f.org.ID, quick.URL, registry.ChangeOrgUpdated)
		const n = 5
		for i := range n {
			err := f.store.UpdateOrg(t.Context(), registry.AsOperator(), f.org.ID, 0,
				strconv.Itoa(i))
			if err != nil {
				t.Fatal(err)
			}
		}
		for len(quick.all()) < n || len(slow.all()) == 0 {
			waitOutside()
		}
		if got := len(slow.all()); got != 1 {
			t.Errorf("%d messages are under way to an address that does not answer", got)
		}
		close(slow.gate)
		f.pass(time.Minute)
		if slow.most != 1 || len(slow.all()) != n {
			t.Errorf("%d of %d messages, %d at once", len(slow.all()), n, slow.most)
		}
		for _, d := range f.log(w) {
			if d.State != registry.DeliveryDone {
				t.Errorf("%+v", d)
			}
		}
	})
}
