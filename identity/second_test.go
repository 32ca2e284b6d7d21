package identity

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/registry"
)

// TestSecondStep: with a second step a password alone lets nobody in, and nothing is good twice.
func TestSecondStep(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	bob := f.user("bob@example.com")
	l := f.signIn("ada@example.com")
	a, asBob := registry.AsUser(u, l.Session.ID, "192.0.2.1"), registry.AsUser(bob, "", "192.0.2.2")
	n, err := f.s.NewTOTP(a, u.Email, "")
	if err != nil || !strings.HasPrefix(n.URL, "otpauth://totp/d.example:ada@example.com?") {
		t.Fatalf("%+v %v", n, err)
	}
	code := func() string {
		t.Helper()
		c, err := totp.GenerateCode(n.Secret, f.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	refused := func(err error, code registry.Code, what string) {
		t.Helper()
		if registry.ErrorCode(err) != code {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = f.s.AddTOTP(ctx, a, n.Sealed, "phone", code(), "wrong password")
	refused(err, registry.CodeForbidden, "without the password")
	_, err = f.s.AddTOTP(ctx, a, n.Sealed, "phone", "000000", goodPassword)
	refused(err, registry.CodeInvalid, "a wrong code")
	_, err = f.s.AddTOTP(ctx, asBob, n.Sealed, "phone", code(), goodPassword)
	refused(err, registry.CodeInvalid, "somebody else's secret")
	recovery, err := f.s.AddTOTP(ctx, a, n.Sealed, "phone", code(), goodPassword)
	if err != nil || len(recovery) != registry.RecoveryCodeCount {
		t.Fatalf("%v %v", recovery, err)
	}

	begin := func() string {
		t.Helper()
		f.clock.add(5 * time.Minute) // for the limits, and the next code
		l, err := f.s.SignIn(ctx, u.Email, goodPassword, Client{Address: "192.0.2.1"})
		if err != nil || l.Second == "" || l.Token != "" || l.Session.ID != "" {
			t.Fatalf("the password alone: %+v %v", l, err)
		}
		return l.Second
	}
	second := func(half, code string) error {
		_, err := f.s.SignInSecond(ctx, half, Proof{Code: code}, Client{Address: "192.0.2.1"})
		return err
	}
	half := begin()
	for _, bad := range []string{"", "000000", "abcdef", recovery[0][:15], strings.Repeat("A", 16)} {
		refused(second(half, bad), registry.CodeForbidden, bad)
	}
	f.clock.add(2 * time.Second) // the delay after five wrong codes
	right := code()
	var wg sync.WaitGroup
	var in atomic.Int32
	for range 4 {
		wg.Go(func() {
			if second(half, right) == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("one code let %d in", in.Load())
	}
	half = begin()
	f.clock.add(30 * time.Second)
	early := code()
	f.clock.add(-30 * time.Second)
	if err := second(half, early); err != nil { // a clock half a minute ahead
		t.Error(err)
	}
	refused(second(begin(), recovery[0]), "", "a recovery code")
	refused(second(begin(), recovery[0]), registry.CodeForbidden, "twice")
	refused(second(begin(), strings.ToLower(strings.ReplaceAll(recovery[1], "-", " "))), "", "as people type it")

	// What is half done is good for a while, for its account, and until the password changes.
	half = begin()
	for _, bad := range []string{"", "x", half + "x", n.Sealed} {
		refused(second(bad, code()), registry.CodeGone, bad)
	}
	f.clock.add(AttemptLife + time.Second)
	refused(second(half, code()), registry.CodeGone, "late")
	half = begin()
	if _, err := f.s.ChangePassword(ctx, a, goodPassword, "another good sentence", Client{}); err != nil {
		t.Fatal(err)
	}
	refused(second(half, code()), registry.CodeGone, "after the password changed")

	// Guessing has a limit.
	f.clock.add(time.Hour)
	if l, err = f.s.SignIn(ctx, u.Email, "another good sentence", Client{}); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		_, err = f.s.SignInSecond(ctx, l.Second, Proof{Code: "000000"}, Client{})
	}
	refused(err, registry.CodeTooManyRequests, "guessing")

	f.clock.add(time.Hour)
	list, err := f.s.Factors(ctx, a)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	refused(f.s.RemoveFactor(ctx, a, list[0].ID, "wrong password"), registry.CodeForbidden, "removed without the password")
	fresh, err := f.s.RenewRecoveryCodes(ctx, a, "another good sentence")
	if err != nil || len(fresh) != registry.RecoveryCodeCount || fresh[0] == recovery[0] {
		t.Errorf("%v %v", fresh, err)
	}
	if err := f.s.RemoveFactor(ctx, a, list[0].ID, "another good sentence"); err != nil {
		t.Fatal(err)
	}
	if l, err := f.s.SignIn(ctx, u.Email, "another good sentence", Client{}); err != nil || l.Second != "" || l.Token == "" {
		t.Errorf("%+v %v", l, err)
	}
}
