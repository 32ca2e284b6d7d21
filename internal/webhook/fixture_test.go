package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// received is one request that a receiver got.
type received struct {
	header http.Header
	body   string
}

// receiver is somebody's server. It runs outside of the bubble that the sender's time is in: a
// bubble
// with a listener in it never comes to rest. Its answer is for the test to change.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer int
	header http.Header
	most   int // requests at once
	now    int
	gate   chan struct{} // where there is one, answers wait until it is closed
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.got = append(r.got, received{q.Header, string(b)})
		r.now++
		r.most = max(r.most, r.now)
		answer, header, gate := r.answer, r.header, r.gate
		r.mu.Unlock()
		if gate != nil {
			<-gate
		}
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
		for name, v := range header {
			w.Header()[name] = v
		}
		w.WriteHeader(answer)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func (r *receiver) set(answer int, headers ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.header = answer, http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		r.header.Set(headers[i], headers[i+1])
	}
}

// fixture is a sender with a real store and real keys, in a bubble.
type fixture struct {
	*testing.T
	store  *sqlite.Store
	ids    *identity.Service
	org    registry.Org
	allow  []netip.Prefix
	sender *webhook.Sender
	stop   func() // ends the sender and waits for it
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128")}

// newFixture must be called in a bubble. The sender is not running.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, allow: loopback}
	key := controltest.NewKey(t)
	var err error
	if f.store, err = sqlite.Open(t.Context(), sqlitetest.File(t), key, time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	f.ids = controltest.NewIdentity(t, f.store, key, time.Now)
	f.org = f.newOrg("acme")
	return f
}

func (f *fixture) newOrg(slug string) registry.Org {
	f.Helper()
	n := registry.NewOrg{Slug: slug, Name: slug}
	o, err := f.store.CreateOrg(f.Context(), registry.AsOperator(), n)
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// run starts a sender, as the server does.
func (f *fixture) run() {
	allow := func() []netip.Prefix { return f.allow }
	f.sender = webhook.New(f.store, f.ids, slog.New(slog.DiscardHandler), time.Now, allow)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		f.sender.Run(ctx)
	}()
	f.stop = func() { cancel(); <-done }
	f.Cleanup(f.stop)
	synctest.Wait()
}

// pass lets time go by, and what is due then be done. The bubble's time moves only while everything
// in it waits.
func (f *fixture) pass(d time.Duration) {
	// no server runs meanwhile, for it would look every 5 seconds
	if long := d - time.Minute; long > time.Minute {
		f.stop()
		time.Sleep(long) // time of the bubble
		f.run()
		d -= long
	}
	time.Sleep(d) // time of the bubble
	synctest.Wait()
}

// waitOutside lets what runs outside of the bubble come further.
func waitOutside() { runtime.Gosched() }

// hook makes a webhook of an org, or with "" of the platform.
func (f *fixture) hook(org registry.OrgID, url string,
	events ...registry.ChangeKind) (registry.Webhook, string) {
	f.Helper()
	w, secret, err := f.sender.Create(f.Context(), registry.AsOperator(), org, url, events)
	if err != nil {
		f.Fatal(err)
	}
	return w, secret
}

// rename makes a change in an org.
func (f *fixture) rename(org registry.OrgID, name string) {
	f.Helper()
	if err := f.store.UpdateOrg(f.Context(), registry.AsOperator(), org, 0, name); err != nil {
		f.Fatal(err)
	}
	synctest.Wait()
}

// log is what the webhook was told, newest first.
func (f *fixture) log(w registry.Webhook) []registry.Delivery {
	f.Helper()
	op, all := registry.AsOperator(), registry.List{Limit: 200}
	p, err := f.store.Deliveries(f.Context(), op, w.OrgID, w.ID, all)
	if err != nil {
		f.Fatal(err)
	}
	return p.Items
}

// signed reports whether a request is signed with a secret (Standard Webhooks 1.0).
func signed(t *testing.T, r received, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) != 32 {
		t.Fatalf("secret %q: %v", secret, err)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(r.header.Get("Webhook-Id") + "." + r.header.Get("Webhook-Timestamp") + "." +
		r.body))
	return r.header.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil))
}
