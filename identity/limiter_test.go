package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// sharedLimiter is a Limiter that several services ask. It looks at what it is told, and can be
// away.
type sharedLimiter struct {
	*testing.T
	*localLimiter
	away error
}

func (l *sharedLimiter) check(stages ...[]Bucket) error {
	for _, stage := range stages {
		for _, b := range stage {
			if len(b.Key) > 48 || strings.Contains(b.Key, "@example.com") {
				l.Errorf("%s is told %q", b.Limit.Name, b.Key)
			}
		}
	}
	return l.away
}

// Take implements Limiter.
func (l *sharedLimiter) Take(ctx context.Context, stages ...[]Bucket) (*Limit, error) {
	if err := l.check(stages...); err != nil {
		return nil, err
	}
	return l.localLimiter.Take(ctx, stages...)
}

// Give implements Limiter.
func (l *sharedLimiter) Give(ctx context.Context, list []Bucket) error {
	return errors.Join(l.check(list), l.localLimiter.Give(ctx, list))
}

// Left implements Limiter.
func (l *sharedLimiter) Left(ctx context.Context, b Bucket) (float64, error) {
	if err := l.check([]Bucket{b}); err != nil {
		return 0, err
	}
	return l.localLimiter.Left(ctx, b)
}

// TestSharedLimits: what one process counts, another counts on, and gives back.
func TestSharedLimits(t *testing.T) {
	a, b := newFixture(t), newFixture(t)
	shared := &sharedLimiter{T: t, localLimiter: newLocalLimiter(a.clock.now)}
	for _, f := range []*fixture{a, b} {
		f.s.Shared = func() Limiter { return shared }
		f.user("ada@example.com")
	}
	for i := range 9 {
		f := []*fixture{a, b}[i%2]
		want(t, f.wrong("ada@example.com", "192.0.2.1"), registry.CodeForbidden)
	}
	for range 3 { // the tenth try is given back
		a.signIn("ada@example.com")
		b.signIn("ada@example.com")
	}
	want(t, b.wrong("ada@example.com", "192.0.2.1"), registry.CodeForbidden)
	for _, f := range []*fixture{a, b} {
		want(t, f.wrong("ada@example.com", "192.0.2.1"), registry.CodeTooManyRequests)
		if n := len(f.s.local.of); n != 0 {
			t.Errorf("%d limits are kept in the process as well", n)
		}
	}
	// Sign-ins that succeed, and letters.
	const account = "eve@example.com"
	if n := busyOf(70, func(i int) error {
		f := []*fixture{a, b}[i%2]
		_, err := f.s.tryOwn(ctx, f.s.limits.signIns, account)
		return err
	}); n != 10 {
		t.Errorf("%d of 70 sign-ins were refused, want 10", n)
	}
	_, err := b.s.SignIn(ctx, account, goodPassword, Client{Address: "192.0.2.9"})
	want(t, err, registry.CodeTooManyRequests)
	org := registry.OrgID(registry.NewID())
	if n := busyOf(8, func(i int) error {
		return []*fixture{a, b}[i%2].s.takeLetter(ctx, org, account)
	}); n != 3 {
		t.Errorf("%d of 8 letters were refused, want 3", n)
	}
	for i := range lettersAtOnce + lettersDelayed + 2 {
		f := []*fixture{a, b}[i%2]
		late, withheld := f.s.pace(ctx, account)
		if late.IsZero() != (i < lettersAtOnce || withheld) ||
			withheld != (i >= lettersAtOnce+lettersDelayed) {
			t.Errorf("letter %d goes at %v, withheld %v", i, late, withheld)
		}
	}
}

// TestSharedMessages: messages to webhooks are counted together, by org and by host, and given back.
func TestSharedMessages(t *testing.T) {
	a, b := newFixture(t), newFixture(t)
	shared := &sharedLimiter{T: t, localLimiter: newLocalLimiter(a.clock.now)}
	for _, f := range []*fixture{a, b} {
		f.s.Shared = func() Limiter { return shared }
	}
	ask := func(times int, org registry.OrgID, keep bool) int {
		return busyOf(times, func(i int) error {
			back, err := []*fixture{a, b}[i%2].s.TakeMessage(ctx, org, "hooks.example.com")
			if err == nil && !keep {
				back()
			}
			return err
		})
	}
	org := func() registry.OrgID { return registry.OrgID(registry.NewID()) }
	first := org()
	if n := ask(100, first, false); n != 0 {
		t.Errorf("%d messages that were given back count", n)
	}
	if n := ask(24, first, true); n != 4 {
		t.Errorf("%d of 24 messages of an org were refused, want 4", n)
	}
	if n := ask(20, org(), true) + ask(20, org(), true) + ask(5, org(), true); n != 5 {
		t.Errorf("%d of 65 messages to a host were refused, want 5", n)
	}
}

// TestSharedLimiterAway: without the shared limits those of the process hold, and nothing passes
// that they refuse.
func TestSharedLimiterAway(t *testing.T) {
	f := newFixture(t)
	var log bytes.Buffer
	f.s.log = slog.New(slog.NewTextHandler(&log, nil))
	shared := &sharedLimiter{T: t, localLimiter: newLocalLimiter(f.clock.now)}
	f.s.Shared = func() Limiter { return shared }
	tries := func(wantBusy int) {
		t.Helper()
		if n := busyOf(12, func(int) error {
			return f.take(f.s.limits.password, "ada@example.com", "192.0.2.1")
		}); n != wantBusy {
			t.Errorf("%d of 12 tries were refused, want %d", n, wantBusy)
		}
	}
	lines := func() int { return strings.Count(log.String(), "shared limits unavailable") }
	tries(2)
	shared.away = errors.New("connection refused")
	tries(2)
	tries(12)
	if n := lines(); n != 1 {
		t.Errorf("%d lines in the log: %s", n, log.String())
	}
	_, err := f.s.SignIn(ctx, "bob@example.com", goodPassword, Client{Address: "192.0.3.1"})
	want(t, err, registry.CodeForbidden)
	if n := busyOf(70, func(int) error {
		_, err := f.s.tryOwn(ctx, f.s.limits.signIns, "bob@example.com")
		return err
	}); n != 10 {
		t.Errorf("%d of 70 sign-ins were refused, want 10", n)
	}
	_, err = f.s.SignIn(ctx, "bob@example.com", goodPassword, Client{Address: "192.0.3.1"})
	want(t, err, registry.CodeTooManyRequests)
	f.clock.add(time.Minute)
	tries(10) // two have come in
	if n := lines(); n != 2 {
		t.Errorf("%d lines in the log: %s", n, log.String())
	}
	// A try is given back where it was taken, or nowhere.
	outage := shared.away
	for _, taken := range []error{nil, outage} {
		shared.away = taken
		account := fmt.Sprintf("%v@example.com", taken != nil)
		at := Client{Address: "192.0.4.1"}
		settle, err := f.s.try(ctx, f.s.limits.password, account, at)
		if err != nil {
			t.Fatal(err)
		}
		shared.away = map[bool]error{true: outage}[taken == nil]
		settle(&err)
		shared.away = outage
		left := f.s.left(ctx, Bucket{f.s.limits.password.accounts, keyOf(account)})
		if left != 100 {
			t.Errorf("the process has %v of 100", left)
		}
	}
	shared.away = nil
	tries(10)
}

// BenchmarkTry: a try that is given back, and one that is refused for its network.
func BenchmarkTry(b *testing.B) {
	s := New(nil, new(MasterKey), nil, slog.New(slog.DiscardHandler), time.Now)
	i := 0
	next := func() Client {
		i++
		return Client{Address: fmt.Sprintf("10.%d.%d.%d", i>>16%256, i>>8%256, i%256)}
	}
	b.Run("passes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			settle, err := s.try(ctx, s.limits.password, "ada@example.com", next())
			if err != nil {
				b.Fatal(err)
			}
			settle(&err)
		}
	})
	b.Run("refused", func(b *testing.B) {
		flood := Client{Address: "192.0.2.1"}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.try(ctx, s.limits.password, "ada@example.com", flood)
		}
	})
}
