package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// flood uses up every limit of strangers: of an account from everywhere, of a network, and in all.
func (f *fixture) flood(email, address string) {
	for _, l := range []*limits{f.s.limits.password, f.s.limits.second, f.s.limits.passkey, f.s.limits.forgot} {
		for i := range 300 {
			_ = f.take(l, email, fmt.Sprintf("10.%d.0.1", i))
			_ = f.take(l, email, address)
		}
		for i := range 1000 {
			_ = f.take(l, "", fmt.Sprintf("11.%d.%d.1", i/4, i%4))
		}
	}
}

// TestKnownBrowser: a browser that has signed in with an account has ten tries an hour on it that
// no stranger can use up.
func TestKnownBrowser(t *testing.T) {
	f := newFixture(t)
	mail := make(postbox, 100)
	f.s.Mail = mail
	ada, bob := f.user("ada@example.com"), f.user("bob@example.com")
	const address = "192.0.2.1"
	at := Client{Address: address}
	device := f.signIn(ada.Email).Device.Reveal()
	if device == "" || strings.Contains(device, string(ada.ID)) {
		t.Fatalf("the device cookie is %q", device)
	}
	known := Client{Address: address, Device: device}
	try := func(email, password string, c Client) error {
		_, err := f.s.SignIn(ctx, email, password, c)
		return err
	}

	f.flood(ada.Email, address)
	want(t, try(ada.Email, goodPassword, at), registry.CodeTooManyRequests)
	for i := range 20 { // what succeeds is given back
		if err := try(ada.Email, goodPassword, known); err != nil {
			t.Fatalf("sign-in %d: %v", i+1, err)
		}
	}
	other := f.buckets(f.s.limits.known.limit).of.Len()
	for name, c := range map[string]Client{
		"changed":   {Address: address, Device: device[:len(device)-2] + "AA"},
		"cut":       {Address: address, Device: device[1:]},
		"made up":   {Address: address, Device: strings.Repeat("A", len(device))},
		"huge":      {Address: address, Device: strings.Repeat("A", 1<<20)},
		"half done": {Address: address, Device: f.halfOf(ada)},
	} {
		if err := try(ada.Email, goodPassword, c); registry.ErrorCode(err) != registry.CodeTooManyRequests {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, try(bob.Email, goodPassword, known), registry.CodeTooManyRequests) // another account
	want(t, try("nobody@example.com", goodPassword, known), registry.CodeTooManyRequests)
	if n := f.buckets(f.s.limits.known.limit).of.Len(); n != other {
		t.Errorf("strangers take %d places among known browsers", n-other)
	}
	if err := f.s.ForgotPassword(ctx, ada.Email, known); err != nil {
		t.Errorf("recovery: %v", err)
	}
	mail.next(t, LetterReset) // that try counts: nine are left
	want(t, f.s.ForgotPassword(ctx, ada.Email, at), registry.CodeTooManyRequests)

	for range 9 {
		want(t, try(ada.Email, "wrong wrong wrong", known), registry.CodeForbidden)
	}
	want(t, try(ada.Email, goodPassword, known), registry.CodeTooManyRequests) // unknown by now
	f.clock.add(10 * time.Minute)                                              // strangers' limits recover
	if err := try(ada.Email, goodPassword, known); err != nil {
		t.Errorf("as a stranger: %v", err)
	}
	f.clock.add(time.Hour)
	f.flood(ada.Email, address)
	if err := try(ada.Email, goodPassword, known); err != nil {
		t.Errorf("an hour later: %v", err)
	}

	// The queue for hashes binds known browsers, too.
	f.s.hasher.waiting.Add(maxWaiting)
	want(t, try(ada.Email, goodPassword, known), registry.CodeOverloaded)
	f.s.hasher.waiting.Add(-maxWaiting)

	// One browser, several accounts: the last ones that signed in.
	l, err := f.s.SignIn(ctx, ada.Email, goodPassword, known)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxKnown {
		u := f.user(fmt.Sprintf("u%d@example.com", i))
		d, err := f.s.Remember(ctx, Client{Device: l.Device.Reveal()}, u.ID)
		if err != nil || len(d) > maxDevice {
			t.Fatalf("%d bytes, %v", len(d), err)
		}
		l.Device = d
	}
	several := Client{Address: address, Device: l.Device.Reveal()}
	if err := try("u0@example.com", goodPassword, several); err != nil {
		t.Error(err)
	}
	want(t, try(ada.Email, goodPassword, several), registry.CodeTooManyRequests)

	// It is good for a year.
	f.clock.add(DeviceLife - 2*time.Hour)
	f.flood(ada.Email, address)
	if err := try(ada.Email, goodPassword, known); err != nil {
		t.Error(err)
	}
	f.clock.add(2 * time.Hour)
	f.flood(ada.Email, address)
	want(t, try(ada.Email, goodPassword, known), registry.CodeTooManyRequests)
}

// halfOf is something sealed of another kind.
func (f *fixture) halfOf(u registry.User) string {
	f.Helper()
	n, err := f.s.NewTOTP(registry.AsUser(u, "", ""), u.Email, "")
	if err != nil {
		f.Fatal(err)
	}
	return n.Sealed
}

// TestKnownBrowserIsVoid: what ends all sessions ends what browsers are known for; signing out of
// one does not.
func TestKnownBrowserIsVoid(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	const address = "192.0.2.1"
	password := goodPassword
	for _, c := range []struct {
		name string
		do   func(l Login) error
		void bool
	}{
		{"sign out", func(l Login) error { return f.s.SignOut(ctx, l.Session.ID) }, false},
		{"sign out everywhere", func(l Login) error {
			return f.store.RevokeSessions(ctx, registry.AsUser(u, l.Session.ID, ""), u.ID, l.Session.ID)
		}, true},
		{"by a platform admin", func(Login) error { return f.store.RevokeSessions(ctx, registry.AsOperator(), u.ID, "") }, true},
		{"change of password", func(l Login) (err error) {
			was := password
			password = "a brand new phrase"
			l, err = f.s.ChangePassword(ctx, registry.AsUser(u, l.Session.ID, ""), was, password, Client{Address: address})
			if err != nil {
				return err
			}
			f.flood(u.Email, address)
			_, err = f.s.SignIn(ctx, u.Email, password, Client{Address: address, Device: l.Device.Reveal()}) // this browser goes on
			return err
		}, true},
		{"reset", func(Login) error {
			password = "another new phrase"
			_, link, err := f.s.ResetLink(ctx, registry.AsOperator(), u.ID)
			if err != nil {
				return err
			}
			return f.s.ResetPassword(ctx, link[strings.LastIndex(link, "/")+1:], password, Client{Address: address})
		}, true},
	} {
		f.clock.add(time.Hour)
		l, err := f.s.SignIn(ctx, u.Email, password, Client{Address: address})
		if err != nil {
			t.Fatal(c.name, err)
		}
		if err := c.do(l); err != nil {
			t.Fatal(c.name, err)
		}
		f.flood(u.Email, address)
		_, err = f.s.SignIn(ctx, u.Email, password, Client{Address: address, Device: l.Device.Reveal()})
		if void := registry.ErrorCode(err) == registry.CodeTooManyRequests; void != c.void || err != nil && !void {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestKnownBrowserWaitsForNobody: the delay after a thief's wrong codes does not hold up the
// person's own browser.
func TestKnownBrowserWaitsForNobody(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	device := f.signIn(u.Email).Device.Reveal()
	code, _ := f.withCode(u)
	known, thief := Client{Address: "192.0.2.1", Device: device}, Client{Address: "198.51.100.7"}
	for range 15 {
		f.clock.add(15 * time.Minute)
		_, err := f.second(u.Email, goodPassword, "000000", thief)
		want(t, err, registry.CodeForbidden)
	}
	_, err := f.second(u.Email, goodPassword, code(), thief)
	want(t, err, registry.CodeTooManyRequests)
	for range 4 {
		_, err := f.second(u.Email, goodPassword, "000000", known)
		want(t, err, registry.CodeForbidden)
	}
	f.flood(u.Email, "192.0.2.1")
	if _, err := f.second(u.Email, goodPassword, code(), known); err != nil {
		t.Error(err)
	}
	// Its wrong codes count with all others.
	f.clock.add(time.Hour)
	for range 10 {
		_, err := f.second(u.Email, goodPassword, "000000", known)
		want(t, err, registry.CodeForbidden)
	}
	_, err = f.second(u.Email, goodPassword, "000000", Client{Address: "203.0.113.1"})
	want(t, err, registry.CodeTooManyRequests)
}
