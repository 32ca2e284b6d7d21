package webhook

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/pizzaface/pizzeria/registry"
)

// asked bounds the messages that people ask for themselves, tests and replays, so that nobody
// floods somebody else's server in our name: of one org, and to one host whoever asks.
type asked struct {
	mu    sync.Mutex
	orgs  *lru.Cache[string, *rate.Limiter]
	hosts *lru.Cache[string, *rate.Limiter]
}

const (
	askedOrgBurst  = 20
	askedHostBurst = 60
	askedMemory    = 10_000 // orgs, and hosts: more than can use up their burst before they recover
)

func newAsked() *asked {
	orgs, _ := lru.New[string, *rate.Limiter](askedMemory) // fails only for a size below 1
	hosts, _ := lru.New[string, *rate.Limiter](askedMemory)
	return &asked{orgs: orgs, hosts: hosts}
}

// take counts one message, and returns how to give it back. Error: CodeTooManyRequests.
func (l *asked) take(now time.Time, org registry.OrgID, host string) (back func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := limiter(l.orgs, string(org), rate.Every(30*time.Second), askedOrgBurst)
	to := limiter(l.hosts, host, rate.Every(10*time.Second), askedHostBurst)
	if of.TokensAt(now) < 1 || to.TokensAt(now) < 1 {
		return nil, registry.Errorf(registry.CodeTooManyRequests, "", "too many messages were asked for: wait a minute and try again")
	}
	a, b := of.ReserveN(now, 1), to.ReserveN(now, 1)
	return func() { a.CancelAt(now); b.CancelAt(now) }, nil
}

func limiter(of *lru.Cache[string, *rate.Limiter], key string, every rate.Limit, burst int) *rate.Limiter {
	v, ok := of.Get(key)
	if !ok {
		v = rate.NewLimiter(every, burst)
		of.Add(key, v)
	}
	return v
}

// Test sends a webhook a message that means nothing. Errors: those of the store, CodeTooManyRequests.
func (s *Sender) Test(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error {
	return s.ask(ctx, a, org, id, func() error { return s.store.TestWebhook(ctx, a, org, id) })
}

// Replay sends a message again, with the same ID. Errors: those of the store, CodeTooManyRequests.
func (s *Sender) Replay(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, delivery string) error {
	return s.ask(ctx, a, org, id, func() error { return s.store.ReplayDelivery(ctx, a, org, id, delivery) })
}

// ask runs send unless a limit refuses it. What the store refuses, for want of a permission too, is
// given back.
func (s *Sender) ask(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, send func() error) error {
	list, err := s.store.Webhooks(ctx, a, org)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(w registry.Webhook) bool { return w.ID == id })
	if i < 0 {
		return send() // which says what is wrong
	}
	u, err := url.Parse(list[i].URL)
	if err != nil {
		return err
	}
	back, err := s.asked.take(s.now(), org, u.Hostname())
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		back()
		return err
	}
	return nil
}
