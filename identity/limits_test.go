package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// busyOf counts how many of n tries a limit refuses.
func busyOf(n int, try func(i int) error) (busy int) {
	for i := range n {
		if registry.ErrorCode(try(i)) == registry.CodeTooManyRequests {
			busy++
		}
	}
	return busy
}

func (f *fixture) wrong(email, address string) error {
	_, err := f.s.SignIn(ctx, email, "wrong wrong wrong", Client{Address: address})
	return err
}

// buckets are those of a limit in this process.
func (f *fixture) buckets(l *Limit) *buckets[string] { return f.s.local.buckets(l) }

// take counts a try without the cost of a hash.
func (f *fixture) take(l *limits, account, address string) error {
	_, err := f.s.try(ctx, l, account, Client{Address: address})
	return err
}

// TestAttemptsAreLimited: by account and network, by network, by account, and in all, whatever is
// tried first.
func TestAttemptsAreLimited(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	if n := busyOf(14, func(i int) error { // one account has many spellings
		return f.wrong([]string{"ada@example.com", "ADA@example.com", " ada@EXAMPLE.com "}[i%3], "2001:db8::"+string(rune('a'+i%6)))
	}); n != 4 {
		t.Errorf("%d of 14 tries on one account from one /64 were refused, want 4", n)
	}
	for _, c := range []struct {
		name             string
		account, address string // formats with the number of the try
		tries, allowed   int
		limit            string
	}{
		{"account and /32", "a@x", "192.0.2.1", 20, 10, limitPair},
		{"account and /24", "b@x", "192.0.3.%d", 60, 30, limitPair},
		{"account and /16", "c@x", "198.51.%d.7", 60, 40, limitPair},
		{"account and /48", "d@x", "2001:db8:1:%x::1", 60, 30, limitPair},
		{"account, all networks", "e@x", "10.%d.1.1", 150, 100, limitAccount},
		{"/32", "p%d@x", "203.0.113.1", 60, 40, limitNetwork},
		{"/64", "q%d@x", "2001:db8:2:1::%x", 60, 40, limitNetwork},
		{"/24", "r%d@x", "203.1.113.%d", 150, 120, limitNetwork},
		{"/48", "s%d@x", "2001:db8:3:%x::1", 150, 120, limitNetwork},
		{"/16", "t%d@x", "203.2.%d.1", 180, 160, limitNetwork},
		{"in all", "u%d@x", "11.%d.1.1", 230, 200, limitTotal},
	} {
		f.clock.add(time.Hour)
		var limit string
		f.s.Limited = func(purpose, l string) { limit = purpose + " " + l }
		of := func(format string, i int) string {
			if strings.Contains(format, "%") {
				return fmt.Sprintf(format, i)
			}
			return format
		}
		busy := busyOf(c.tries, func(i int) error { return f.take(f.s.limits.password, of(c.account, i), of(c.address, i)) })
		if busy != c.tries-c.allowed || limit != limitsPassword+" "+c.limit {
			t.Errorf("%s: %d of %d tries passed, want %d; refused by %q", c.name, c.tries-busy, c.tries, c.allowed, limit)
		}
	}
	// They recover.
	f.clock.add(30 * time.Second)
	want(t, f.wrong("ada@example.com", "2001:db8::1"), registry.CodeForbidden)
}

// TestRefusedTriesTouchNoAccount: who is refused by network counts against nobody, and fills no
// memory.
func TestRefusedTriesTouchNoAccount(t *testing.T) {
	f := newFixture(t)
	l := f.s.limits.password
	for range 40 {
		_ = f.take(l, "", "192.0.2.1")
	}
	before := f.buckets(l.accounts).of.Len()
	for i := range 1000 {
		want(t, f.take(l, "victim@x", "192.0.2.1"), registry.CodeTooManyRequests)
		want(t, f.take(l, fmt.Sprintf("made-up-%d@x", i), "192.0.2.1"), registry.CodeTooManyRequests)
	}
	if n := f.buckets(l.accounts).of.Len(); n != before {
		t.Errorf("%d refused accounts are remembered", n-before)
	}
	if left := f.s.left(ctx, Bucket{l.accounts, keyOf("victim@x")}); left != 100 {
		t.Errorf("the victim has %v tries left of 100", left)
	}
}

// TestLimitsAreNotEvicted: no flood, from however many networks, makes a limit forget who has used
// it up.
func TestLimitsAreNotEvicted(t *testing.T) {
	f := newFixture(t)
	l := f.s.limits.password
	for i := range 10 {
		if err := f.take(l, "victim@x", "192.0.2.1"); err != nil {
			t.Fatal(i, err)
		}
	}
	want(t, f.take(l, "victim@x", "192.0.2.1"), registry.CodeTooManyRequests)
	// Everybody tries for almost as long as one more try takes: each time another account, from a
	// network of its own.
	passed := 0
	for tick := range 29 {
		f.clock.add(time.Second)
		for i := range 1000 {
			ip := netip.AddrFrom4([4]byte{byte(11 + i%200), byte(i / 200), byte(tick), 1})
			if f.take(l, fmt.Sprintf("%d-%d@x", tick, i), ip.String()) == nil {
				passed++
			}
		}
	}
	if passed < 1000 {
		t.Fatalf("%d tries passed: this is no flood", passed)
	}
	want(t, f.take(l, "victim@x", "192.0.2.1"), registry.CodeTooManyRequests)
	// The memory has room for all that can be used before the first of it counts no more.
	for _, tier := range l.tiers {
		pairs, accounts := f.buckets(tier.pairs), f.buckets(l.accounts)
		most := l.total.Burst + int(pairs.recovery()/l.total.Every)
		if pairs.size < most || accounts.size < 2*most-l.total.Burst {
			t.Errorf("room for %d and %d limits, want %d", pairs.size, accounts.size, most)
		}
	}
}

// TestSuccessGivesBack: who signs in rightly is never limited by it, and leaves no trace in the
// limits.
func TestSuccessGivesBack(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	for i := range 20 {
		if _, err := f.s.SignIn(ctx, "ada@example.com", goodPassword, Client{Address: "192.0.2.1"}); err != nil {
			t.Fatalf("sign-in %d: %v", i+1, err)
		}
	}
	l := f.s.limits.password
	n := 0
	for _, l := range []*Limit{l.accounts, l.total, l.tiers[0].networks, l.tiers[0].pairs} {
		n += f.buckets(l).of.Len()
	}
	if n != 0 {
		t.Errorf("%d buckets are left of sign-ins that succeeded", n)
	}
	// A success gives back its own try and no other.
	for range 9 {
		want(t, f.wrong("ada@example.com", "192.0.2.1"), registry.CodeForbidden)
	}
	f.signIn("ada@example.com")
	want(t, f.wrong("ada@example.com", "192.0.2.1"), registry.CodeForbidden)
	want(t, f.wrong("ada@example.com", "192.0.2.1"), registry.CodeTooManyRequests)
	// Sign-ins that succeed have a limit of their own, which strangers cannot use up: each makes a
	// session.
	f.clock.add(time.Hour)
	if n := busyOf(70, func(int) error {
		_, err := f.s.tryOwn(ctx, f.s.limits.signIns, "ada@example.com")
		return err
	}); n != 10 {
		t.Errorf("%d of 70 were refused", n)
	}
	_, err := f.s.SignIn(ctx, "ada@example.com", goodPassword, Client{Address: "192.0.2.7"})
	want(t, err, registry.CodeTooManyRequests)
	// What is nobody's fault is given back, too.
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for range 20 {
		if _, err := f.s.SignIn(canceled, "bob@example.com", goodPassword, Client{Address: "192.0.2.8"}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// TestNobodyIsLockedOut: what strangers do elsewhere limits neither a victim's sign-in, recovery
// nor change of password.
func TestNobodyIsLockedOut(t *testing.T) {
	f := newFixture(t)
	for i := range 20 {
		f.user(fmt.Sprintf("v%d@example.com", i))
	}
	l := f.signIn("v0@example.com")
	a := registry.AsUser(l.User, l.Session.ID, "192.0.2.1")
	for i := range 200 { // the attack: 10 refused calls each
		_ = f.take(f.s.limits.password, fmt.Sprintf("v%d@example.com", i/10), "198.51.100.7")
	}
	for i := range 20 {
		if _, err := f.s.SignIn(ctx, fmt.Sprintf("v%d@example.com", i), goodPassword, Client{Address: "192.0.2.1"}); err != nil {
			t.Errorf("victim %d: %v", i, err)
		}
	}
	// 60 tries a second over the /64s of one /48, for ten minutes: others still come in.
	for tick := range 600 {
		f.clock.add(time.Second)
		for i := range 60 {
			_ = f.take(f.s.limits.password, fmt.Sprintf("m%d@x", i), fmt.Sprintf("2001:db8:9:%x::1", (tick*60+i)%65536))
		}
		if tick%60 == 0 {
			f.signIn("v1@example.com")
		}
	}
	// Strangers from 50 networks use up what one account allows: who is signed in can change the
	// password all the same.
	for i := range 150 {
		_ = f.take(f.s.limits.password, "v0@example.com", fmt.Sprintf("10.%d.0.1", i%50))
	}
	want(t, f.take(f.s.limits.password, "v0@example.com", "192.0.3.1"), registry.CodeTooManyRequests)
	for range 40 {
		_ = f.take(f.s.limits.password, "", "192.0.2.1") // also from the victim's own network
	}
	if _, err := f.s.ChangePassword(ctx, a, goodPassword, "a brand new phrase", Client{Address: "192.0.2.1"}); err != nil {
		t.Error(err)
	}
	want(t, f.take(f.s.limits.password, "", "192.0.2.1"), registry.CodeTooManyRequests)
	for name, l := range map[string]*limits{"passkeys": f.s.limits.passkey, "second steps": f.s.limits.second, "recovery": f.s.limits.forgot} {
		if err := f.take(l, "v0@example.com", "192.0.2.1"); err != nil {
			t.Errorf("%s: limited by passwords: %v", name, err)
		}
	}
}

// TestOwnLimits: a session guesses its password so often; another session of the person is not
// limited by that.
func TestOwnLimits(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	thief, own := f.signIn("ada@example.com"), f.signIn("ada@example.com")
	guess := func(l Login) error {
		_, err := f.s.tryOwn(ctx, f.s.limits.confirm, string(u.ID)+" "+string(l.Session.ID))
		return err
	}
	if n := busyOf(40, func(int) error { return guess(thief) }); n != 10 {
		t.Errorf("%d of 40 guesses were refused, want 10", n)
	}
	a := registry.AsUser(u, thief.Session.ID, "192.0.2.1")
	want(t, f.s.checkOwn(ctx, a, u, goodPassword), registry.CodeTooManyRequests)
	a = registry.AsUser(u, own.Session.ID, "192.0.2.1")
	if err := f.s.checkOwn(ctx, a, u, goodPassword); err != nil {
		t.Error(err)
	}
}

// TestRefusalsAreSampled: a flood of refused sign-ins writes few lines, and the log says how many
// are missing.
func TestRefusalsAreSampled(t *testing.T) {
	f := newFixture(t)
	var b bytes.Buffer
	f.s.log = slog.New(slog.NewTextHandler(&b, nil))
	refused := registry.Errorf(registry.CodeForbidden, "", "no")
	flood := func(n int, address func(i int) string) int {
		b.Reset()
		for i := range n {
			f.s.note("password", Client{Address: address(i)}, Login{}, refused)
		}
		return strings.Count(b.String(), "a sign-in is refused")
	}
	if n := flood(10_000, func(int) string { return "192.0.2.1" }); n != 5 {
		t.Errorf("one network wrote %d lines, want 5", n)
	}
	f.clock.add(time.Minute)
	if n := flood(1, func(int) string { return "192.0.2.1" }); n != 1 || !strings.Contains(b.String(), "omitted=9995") {
		t.Errorf("%d lines: %s", n, b.String())
	}
	f.clock.add(time.Hour)
	if n := flood(10_000, func(i int) string { return fmt.Sprintf("10.%d.%d.1", i/250, i%250) }); n != 60 {
		t.Errorf("10,000 networks wrote %d lines, want 60", n)
	}
}

// TestLimitIsAudited: that an account is tried from many networks is in the audit log once an hour,
// and nothing of one that is not there.
func TestLimitIsAudited(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	entries := func() int {
		t.Helper()
		for range cap(f.s.recording) { // wait for what is being written
			f.s.recording <- struct{}{}
		}
		for range cap(f.s.recording) {
			<-f.s.recording
		}
		p, err := f.store.PlatformAudit(ctx, registry.AsOperator(), registry.AuditList{Action: registry.ChangeSignInLimited})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Items {
			if e.Target != u.Email || e.Address == "" || e.ActorKind != "visitor" {
				t.Errorf("%+v", e)
			}
		}
		return len(p.Items)
	}
	for _, email := range []string{"nobody@example.com", u.Email} {
		for i := range 150 {
			_ = f.take(f.s.limits.password, email, fmt.Sprintf("10.%d.0.1", i))
		}
		f.clock.add(time.Minute)
	}
	if n := entries(); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	for range 59 * 2 {
		f.clock.add(time.Minute)
		for i := range 100 {
			_ = f.take(f.s.limits.password, u.Email, fmt.Sprintf("10.%d.0.1", i))
		}
	}
	if n := entries(); n != 2 {
		t.Errorf("two hours later: %d entries, want 2", n)
	}
}

// TestLimitsOf: every limit that there is has a name in the metrics from the start, and no other.
func TestLimitsOf(t *testing.T) {
	all := newAllLimits()
	names := map[string]bool{}
	unique := func(list ...*Limit) {
		for _, l := range list {
			if l != nil && names[l.Name] {
				t.Errorf("%s is the name of two limits", l.Name)
			} else if l != nil {
				names[l.Name] = true
			}
		}
	}
	letters := newLetters()
	messages := newMessages()
	unique(letters.org, letters.pair, letters.total, messages.org, messages.host, sharedAway)
	for _, l := range []*limits{all.password, all.second, all.passkey, all.forgot, all.company,
		all.device, all.external, all.mail} {
		unique(l.total, l.accounts)
		for _, tier := range l.tiers {
			unique(tier.networks, tier.pairs)
		}
		want := []string{limitNetwork, limitTotal}
		if l.tiers[0].pairs != nil {
			want = append(want, limitPair)
		}
		if l.accounts != nil {
			want = append(want, limitAccount)
		}
		got := slices.DeleteFunc(slices.Clone(LimitsOf[l.purpose]), func(s string) bool {
			return s == limitDelay || s == limitLocked || s == limitTarget // not of these
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", l.purpose, got, want)
		}
	}
	unique(all.recorded.limit, all.known.limit)
	for _, o := range []*own{all.userCode, all.provider, all.confirm, all.signIns} {
		unique(o.limit)
		if !slices.Equal(LimitsOf[o.purpose], []string{limitOwn}) {
			t.Errorf("%s: %q", o.purpose, LimitsOf[o.purpose])
		}
	}
}
