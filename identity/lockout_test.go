package identity

import (
	"log/slog"
	"path"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/registry"
)

// withCode gives an account an authenticator app, and returns its codes and recovery codes.
func (f *fixture) withCode(u registry.User) (code func() string, recovery []string) {
	f.Helper()
	l := f.signIn(u.Email)
	a := registry.AsUser(u, l.Session.ID, "192.0.2.1")
	n, err := f.s.NewTOTP(a, u.Email, "")
	if err != nil {
		f.Fatal(err)
	}
	code = func() string {
		f.Helper()
		c, err := totp.GenerateCode(n.Secret, f.clock.now())
		if err != nil {
			f.Fatal(err)
		}
		return c
	}
	if recovery, err = f.s.AddTOTP(ctx, a, n.Sealed, "phone", code(), goodPassword); err != nil {
		f.Fatal(err)
	}
	f.clock.add(time.Minute)
	return code, recovery
}

// second takes both steps.
func (f *fixture) second(email, password, code string, c Client) (Login, error) {
	f.Helper()
	l, err := f.s.SignIn(ctx, email, password, c)
	if err != nil {
		f.Fatal(err)
	}
	return f.s.SignInSecond(ctx, l.Second, Proof{Code: code}, c)
}

// TestWrongCodesAreCounted: a thief with the password guesses 20 codes in all, from whatever
// networks and over restarts.
func TestWrongCodesAreCounted(t *testing.T) {
	f := newFixture(t)
	mail := make(postbox, 100)
	f.s.Mail = mail
	u := f.user("ada@example.com")
	code, recovery := f.withCode(u)
	mail.next(t, LetterSecond)

	// A success resets the count.
	at := Client{Address: "192.0.2.1"}
	for range 4 {
		_, err := f.second(u.Email, goodPassword, "000000", at)
		want(t, err, registry.CodeForbidden)
	}
	if _, err := f.second(u.Email, goodPassword, code(), at); err != nil {
		t.Fatal(err)
	}

	tries := 0
	var half string
	for minute := range 24 * 60 { // a day of tries, as many as pass
		if minute%90 == 0 { // the server starts again
			noted := f.s.Limited
			f.s = New(f.store, &MasterKey{raw: [32]byte{1}}, f.s.site, slog.New(slog.DiscardHandler), f.clock.now)
			f.s.Mail, f.s.Limited = mail, noted
		}
		f.clock.add(time.Minute)
		if minute%9 == 0 {
			h, err := f.s.SignIn(ctx, u.Email, goodPassword, Client{Address: "10.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			half = h.Second
		}
		for {
			_, err := f.s.SignInSecond(ctx, half, Proof{Code: "000000"}, Client{Address: "10.0.0.1"})
			if registry.ErrorCode(err) == registry.CodeTooManyRequests || tries == registry.SecondLockAt {
				break
			}
			want(t, err, registry.CodeForbidden)
			switch tries++; tries {
			case registry.SecondMailAt:
				if l := mail.next(t, LetterCodes); l.Failures != 10 {
					t.Errorf("%+v", l)
				}
			case registry.SecondLockAt:
				mail.next(t, LetterLocked)
			}
		}
		if tries == registry.SecondLockAt {
			break
		}
	}
	if tries != registry.SecondLockAt || len(mail) != 0 {
		t.Errorf("%d codes were tried, want %d; %d letters more", tries, registry.SecondLockAt, len(mail))
	}

	// Locked: no right code either, until there is a new password.
	f.clock.add(24 * time.Hour)
	var limit string
	f.s.Limited = func(_, l string) { limit = l }
	for _, right := range []string{code(), recovery[0]} {
		_, err := f.second(u.Email, goodPassword, right, at)
		want(t, err, registry.CodeForbidden)
	}
	if limit != limitLocked {
		t.Errorf("counted as %q", limit)
	}
	// A reset of an account that was never verified would remove the factor.
	if err := f.store.VerifyUser(ctx, registry.AsOperator(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.s.ForgotPassword(ctx, u.Email, at); err != nil {
		t.Fatal(err)
	}
	if err := f.s.ResetPassword(ctx, path.Base(mail.next(t, LetterReset).Link), "a brand new phrase", at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.second(u.Email, "a brand new phrase", recovery[0], at); err != nil {
		t.Errorf("with a new password: %v", err)
	}
}
