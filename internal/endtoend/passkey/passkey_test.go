// Package passkey tests sign-in with passkeys against a virtual authenticator. It
// lives in this module so that the main module does not depend on one.
package passkey

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

var ctx = context.Background()

const (
	password = "correct horse battery"
	// ceremonyLife is how long a passkey ceremony stays open, as the reference states it.
	ceremonyLife = time.Hour
)

// fixture is an identity service over a store of its own, at a time that the test sets.
type fixture struct {
	*testing.T
	s   *identity.Service
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return f.now }
	key, err := identity.CreateMasterKey(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "t.db"), key, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	f.s = identity.New(store, key, func() token.Site { return site }, slog.New(slog.DiscardHandler), now)
	if err := f.s.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) user(email string) registry.User {
	f.Helper()
	u, err := f.s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: email, Name: "Some Body"}, password)
	if err != nil {
		f.Fatal(err)
	}
	return u
}

func (f *fixture) signIn(email string) identity.Login {
	f.Helper()
	l, err := f.s.SignIn(ctx, email, password, identity.Client{Address: "192.0.2.1"})
	if err != nil {
		f.Fatal(err)
	}
	return l
}

func (f *fixture) wait(d time.Duration) { f.now = f.now.Add(d) }

// device is a virtual authenticator at a page of some origin.
type device struct {
	*testing.T
	rp virtualwebauthn.RelyingParty
	a  virtualwebauthn.Authenticator
	c  virtualwebauthn.Credential
}

func newDevice(t *testing.T, user registry.UserID, origin string) *device {
	a := virtualwebauthn.NewAuthenticator()
	a.Options.UserHandle = []byte(user)
	c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	a.AddCredential(c)
	return &device{t, virtualwebauthn.RelyingParty{Name: "d.example", ID: "d.example", Origin: origin}, a, c}
}

func (d *device) create(options string) string {
	d.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		d.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.a, d.c, *o)
}

func (d *device) answer(options string) string {
	d.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		d.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.a, d.c, *o)
}

// TestPasskeys: a passkey signs its holder in alone, answers one question once, and at this site only.
func TestPasskeys(t *testing.T) {
	f := newFixture(t)
	u, bob := f.user("ada@example.com"), f.user("bob@example.com")
	l := f.signIn("ada@example.com")
	a, asBob := registry.AsUser(u, l.Session.ID, "192.0.2.1"), registry.AsUser(bob, "", "192.0.2.2")
	c := identity.Client{Address: "192.0.2.1"}
	refused := func(err error, code registry.Code, what string) {
		t.Helper()
		if registry.ErrorCode(err) != code || code == "" && err != nil {
			t.Errorf("%s: %v, want %q", what, err, code)
		}
	}
	ask := func() identity.Ceremony {
		t.Helper()
		f.wait(time.Minute) // for the limits
		q, err := f.s.AskPasskey()
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	signIn := func(q identity.Ceremony, answer string) error {
		_, err := f.s.SignInPasskey(ctx, q.Sealed, answer, c)
		return err
	}
	laptop := newDevice(t, u.ID, "https://d.example")
	begin := func() identity.Ceremony {
		t.Helper()
		f.wait(time.Minute)
		q, err := f.s.NewPasskey(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	var options struct {
		PublicKey struct {
			RP                     struct{ ID string }
			AuthenticatorSelection struct{ ResidentKey, UserVerification string }
		}
	}
	q := begin()
	if err := json.Unmarshal([]byte(q.Options), &options); err != nil || options.PublicKey.RP.ID != "d.example" ||
		options.PublicKey.AuthenticatorSelection.ResidentKey != "required" || options.PublicKey.AuthenticatorSelection.UserVerification != "required" {
		t.Fatalf("%+v %v", options, err)
	}
	made := laptop.create(q.Options)
	_, err := f.s.AddPasskey(ctx, a, q.Sealed, "laptop", made, "wrong password")
	refused(err, registry.CodeForbidden, "without the password")
	_, err = f.s.AddPasskey(ctx, asBob, q.Sealed, "laptop", made, password)
	refused(err, registry.CodeInvalid, "for somebody else")
	_, err = f.s.AddPasskey(ctx, a, begin().Sealed, "laptop", made, password)
	refused(err, registry.CodeInvalid, "an answer to another question")
	evil := newDevice(t, u.ID, "https://acme.d.example")
	_, err = f.s.AddPasskey(ctx, a, q.Sealed, "laptop", evil.create(q.Options), password)
	refused(err, registry.CodeInvalid, "made at an org's page")
	recovery, err := f.s.AddPasskey(ctx, a, q.Sealed, "laptop", made, password)
	if err != nil || len(recovery) != registry.RecoveryCodeCount {
		t.Fatalf("%v %v", recovery, err)
	}

	q = ask()
	right := laptop.answer(q.Options)
	refused(signIn(ask(), right), registry.CodeForbidden, "an answer to another question")
	in, err := f.s.SignInPasskey(ctx, q.Sealed, right, c)
	if err != nil || in.User.ID != u.ID || in.Token == "" || in.Second != "" {
		t.Fatalf("%+v %v", in, err)
	}
	refused(signIn(q, right), registry.CodeForbidden, "an answer for the second time")
	// The same passkey, asked for by a page of an org, which shares the site.
	q = ask()
	evil.c, evil.a = laptop.c, laptop.a
	refused(signIn(q, evil.answer(q.Options)), registry.CodeForbidden, "an answer given to an org's page")
	// Not verified, not known, or somebody else's.
	unverified := *laptop
	unverified.a.Options.UserNotVerified = true
	q = ask()
	refused(signIn(q, unverified.answer(q.Options)), registry.CodeForbidden, "without verification of the person")
	refused(signIn(q, newDevice(t, u.ID, "https://d.example").answer(q.Options)), registry.CodeForbidden, "a passkey that was never added")
	stolen := *laptop
	stolen.a.Options.UserHandle = []byte(bob.ID)
	refused(signIn(q, stolen.answer(q.Options)), registry.CodeForbidden, "for another account")
	for _, bad := range []string{"", "{}", "null", right[:len(right)/2]} {
		refused(signIn(q, bad), registry.CodeForbidden, bad)
	}
	refused(signIn(identity.Ceremony{Sealed: q.Sealed + "x"}, laptop.answer(q.Options)), registry.CodeGone, "a question that was changed")
	f.wait(ceremonyLife + time.Second)
	refused(signIn(q, laptop.answer(q.Options)), registry.CodeGone, "late")

	// As a second step it answers for the account whose password was given.
	half, err := f.s.SignIn(ctx, u.Email, password, c)
	if err != nil || half.Second == "" {
		t.Fatalf("%+v %v", half, err)
	}
	if code, passkey, err := f.s.SecondSteps(ctx, half.Second); err != nil || code || !passkey {
		t.Errorf("%v %v %v", code, passkey, err)
	}
	q = ask()
	second := func(half string, q identity.Ceremony, answer string) error {
		_, err := f.s.SignInSecond(ctx, half, identity.Proof{Sealed: q.Sealed, Answer: answer}, c)
		return err
	}
	phone := newDevice(t, bob.ID, "https://d.example")
	qb, err := f.s.NewPasskey(ctx, asBob)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.s.AddPasskey(ctx, asBob, qb.Sealed, "phone", phone.create(qb.Options), password); err != nil {
		t.Fatal(err)
	}
	q = ask()
	refused(second(half.Second, q, phone.answer(q.Options)), registry.CodeForbidden, "somebody else's passkey as a second step")
	q = ask()
	refused(second(half.Second, q, laptop.answer(q.Options)), "", "a passkey as a second step")
	refused(signIn(ask(), phone.answer(ask().Options)), registry.CodeForbidden, "mixed up questions")

	// What is removed signs nobody in.
	list, err := f.s.Factors(ctx, a)
	if err != nil || len(list) != 1 || list[0].Kind != registry.FactorPasskey || list[0].LastUsedAt.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	if err := f.s.RemoveFactor(ctx, a, list[0].ID, password); err != nil {
		t.Fatal(err)
	}
	q = ask()
	refused(signIn(q, laptop.answer(q.Options)), registry.CodeForbidden, "a passkey that was removed")
}
