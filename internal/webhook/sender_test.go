package webhook_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestTold: a webhook is told of what it wants, of its own org, since it is there; the platform's
// of every org.
func TestTold(t *testing.T) {
	acme, events, platform := newReceiver(t), newReceiver(t), newReceiver(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		globex := f.newOrg("globex")
		f.rename(f.org.ID, "Before")
		f.run()
		f.pass(time.Second)
		_, secret := f.hook(f.org.ID, acme.URL)
		f.hook(f.org.ID, events.URL, registry.ChangeOrgSuspended)
		f.hook("", platform.URL, registry.ChangeOrgUpdated)
		f.pass(time.Second)
		f.rename(globex.ID, "Not for acme")
		f.rename(f.org.ID, "For acme")
		f.pass(time.Second)
		kinds := func(list []received) (out string) {
			for _, r := range list {
				var m struct {
					Type      string
					Timestamp time.Time
					Data      registry.Change
				}
				if err := json.Unmarshal([]byte(r.body), &m); err != nil || m.Timestamp.IsZero() ||
					string(m.Data.Kind) != m.Type {
					t.Errorf("%v: %s", err, r.body)
				}
				out += m.Type + " " + m.Data.Slug + ", "
			}
			return out
		}
		got := acme.all()
		if k := kinds(got); !strings.Contains(k, "org.updated acme") ||
			strings.Contains(k, "globex") || strings.Contains(k, "created acme") {
			t.Errorf("acme is told %s", k)
		}
		for _, r := range got {
			if !signed(t, r, secret) || r.header.Get("Content-Type") != "application/json" ||
				r.header.Get("Authorization")+r.header.Get("Cookie") != "" {
				t.Errorf("%v", r.header)
			}
		}
		if k := kinds(events.all()); k != "" {
			t.Errorf("who asked for suspensions is told %s", k)
		}
		if k := kinds(platform.all()); k != "org.updated globex, org.updated acme, " {
			t.Errorf("the platform is told %s", k)
		}
	})
}

// TestDisabled: a webhook that is off is sent nothing and misses what happens meanwhile; what was
// due before waits.
func TestDisabled(t *testing.T) {
	r := newReceiver(t)
	r.set(500)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, _ := f.hook(f.org.ID, r.URL, registry.ChangeOrgUpdated)
		f.rename(f.org.ID, "Due")
		active := func(on bool) {
			if err := f.store.UpdateWebhook(t.Context(), registry.AsOperator(), f.org.ID, w.ID,
				registry.WebhookChange{Active: &on}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		active(false)
		r.set(204)
		f.rename(f.org.ID, "Missed")
		f.pass(time.Hour)
		if n := len(r.all()); n != 1 {
			t.Errorf("%d requests to a webhook that is off", n)
		}
		active(true)
		f.pass(10 * time.Second)
		got := r.all()
		if len(got) != 2 || got[1].header.Get("Webhook-Id") != got[0].header.Get("Webhook-Id") {
			t.Errorf("%d requests after it is on again", len(got))
		}
		// Deleted while a message is due, it is told no more.
		r.set(500)
		f.rename(f.org.ID, "Due again")
		if err := f.store.DeleteWebhook(t.Context(), registry.AsOperator(), f.org.ID,
			w.ID); err != nil {
			t.Fatal(err)
		}
		n := len(r.all())
		if f.pass(24 * time.Hour); len(r.all()) != n {
			t.Errorf("a deleted webhook is told something")
		}
	})
}

// TestAnswers: only 2xx is an answer; nothing else of it is kept, and no redirect is followed.
func TestAnswers(t *testing.T) {
	r, inside := newReceiver(t), newReceiver(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, _ := f.hook(f.org.ID, r.URL, registry.ChangeOrgUpdated)
		for status, failure := range map[int]string{
			200: "", 201: "", 299: "", 301: "it answered 301 Moved Permanently",
			307: "it answered 307 Temporary Redirect",
			404: "it answered 404 Not Found", 410: "it answered 410 Gone",
			429: "it answered 429 Too Many Requests", 599: "it answered 599 ",
		} {
			r.set(status, "Location", inside.URL, "X-Canary", "canary")
			if err := f.store.TestWebhook(t.Context(), registry.AsOperator(), f.org.ID,
				w.ID); err != nil {
				t.Fatal(err)
			}
			f.pass(time.Second)
			d := f.log(w)[0]
			if done := d.State == registry.DeliveryDone; done != (failure == "") ||
				d.Error != failure || d.Status != status || d.Event != registry.ChangeWebhookTest {
				t.Errorf("%d: %+v", status, d)
			}
			r.set(204) // so that it does not come again
			f.pass(time.Minute)
		}
		r.set(204, "X-Long", strings.Repeat("x", 64<<10))
		f.rename(f.org.ID, "Long headers")
		if d := f.log(w)[0]; d.State != registry.DeliveryPending ||
			strings.Contains(d.Error, "127.0.0.1") {
			t.Errorf("an answer of long headers: %+v", d)
		}
	})
	if n := len(inside.all()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// TestPrivateAddresses: refused when they are named, and when they are dialled, whatever they are
// called.
func TestPrivateAddresses(t *testing.T) {
	r := newReceiver(t)
	port := r.URL[strings.LastIndexByte(r.URL, ':'):]
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		named, _ := f.hook(f.org.ID, "http://localhost"+port, registry.ChangeOrgUpdated)
		literal, _ := f.hook(f.org.ID, "http://127.0.0.1"+port, registry.ChangeOrgUpdated)
		mapped, _ := f.hook(f.org.ID, "http://[::ffff:127.0.0.1]"+port, registry.ChangeOrgUpdated)
		f.allow = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")} // the operator takes it back
		f.rename(f.org.ID, "Told")
		for what, w := range map[string]registry.Webhook{"a name": named, "an address": literal,
			"a mapped address": mapped} {
			if d := f.log(w)[0]; d.State != registry.DeliveryPending ||
				!strings.Contains(d.Error, "allow") || d.Status != 0 {
				t.Errorf("%s: %+v", what, d)
			}
		}
		for _, address := range []string{"https://127.0.0.1/", "https://10.0.0.1/",
			"https://[::1]/", "http://169.254.169.254/latest", "https://[fe80::1%25eth0]/"} {
			_, _, err := f.sender.Create(t.Context(), registry.AsOperator(), f.org.ID, address, nil)
			if registry.ErrorCode(err) != registry.CodeInvalid {
				t.Errorf("%s: %v", address, err)
			}
		}
		if err := f.sender.Check("https://10.9.1.1/"); err != nil {
			t.Errorf("an allowed network: %v", err)
		}
		// In the clear only to networks that the operator allows.
		for address, want := range map[string]registry.Code{
			"http://10.9.1.1/": "", "http://[::ffff:10.9.1.1]/": "", "http://1.1.1.1/": registry.CodeInvalid,
			"http://[2606:2800:220:1::1]/": registry.CodeInvalid, "https://1.1.1.1/": "",
		} {
			if err := f.sender.Check(address); registry.ErrorCode(err) != want {
				t.Errorf("%s: %v", address, err)
			}
		}
		f.allow = nil
		err := f.sender.Check("http://example.com/")
		if registry.ErrorCode(err) != registry.CodeInvalid {
			t.Errorf("in the clear: %v", err)
		}
		if err := f.sender.Check("https://example.com/"); err != nil {
			t.Error(err)
		}
		for _, address := range []string{"", "example.com", "ftp://example.com/", "https://",
			"https://user@example.com/", "https://example.com/#x", "https://%zz/",
			"https://example.com/" + strings.Repeat("x", 2000)} {
			_, _, err := f.sender.Create(t.Context(), registry.AsOperator(), f.org.ID, address, nil)
			if registry.ErrorCode(err) != registry.CodeInvalid {
				t.Errorf("%.40s: %v", address, err)
			}
		}
	})
	if n := len(r.all()); n != 0 {
		t.Errorf("a private address was asked %d times", n)
	}
}

// TestSecretOfAnotherKey: a webhook whose secret does not open is not told anything unsigned.
func TestSecretOfAnotherKey(t *testing.T) {
	r := newReceiver(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		w, _ := f.hook(f.org.ID, r.URL, registry.ChangeOrgUpdated)
		f.stop()
		other := newFixture(t)
		f.ids = other.ids
		f.run()
		f.rename(f.org.ID, "Told")
		d := f.log(w)[0]
		if d.State != registry.DeliveryPending || d.Error == "" || len(r.all()) != 0 {
			t.Errorf("%+v, %d requests", d, len(r.all()))
		}
	})
}
