package identity

import (
	"context"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// postbox keeps the letters that are queued.
type postbox chan Letter

func (p postbox) Enabled() bool { return true }

func (p postbox) Queue(_ context.Context, _ string, l Letter, _ string) error {
	p <- l
	return nil
}

// next returns the next letter.
func (p postbox) next(t *testing.T, kind LetterKind) Letter {
	t.Helper()
	select {
	case l := <-p:
		if l.Kind != kind {
			t.Fatalf("got a letter %q, want %q", l.Kind, kind)
		}
		return l
	case <-time.After(time.Minute):
		t.Fatalf("no letter %q", kind)
	}
	return Letter{}
}

// TestForgotPassword: whoever else asks for a link, and however often, the victim's own works, and
// they can ask for one.
func TestForgotPassword(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	mail := make(postbox, 100)
	f.s.Mail = mail
	forgot := func(address string) error {
		return f.s.ForgotPassword(ctx, "ada@example.com", Client{Address: address})
	}
	if err := forgot("192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	mine := mail.next(t, LetterReset)
	if n := busyOf(10, func(int) error { return forgot("198.51.100.7") }); n != 7 {
		t.Errorf("%d of 10 letters from one network were refused, want 7", n)
	}
	for range 3 {
		mail.next(t, LetterReset)
	}
	if err := forgot("192.0.2.1"); err != nil {
		t.Errorf("a stranger keeps the victim from asking: %v", err)
	}
	mail.next(t, LetterReset)
	if n := busyOf(50, func(i int) error { return forgot(fmt.Sprintf("10.%d.0.1", i)) }); n != 45 {
		t.Errorf("%d of 50 letters to one address were refused, want 45", n)
	}
	if err := f.s.ResetPassword(ctx, path.Base(mine.Link), "a brand new phrase", Client{}); err != nil {
		t.Errorf("the victim's link: %v", err)
	}
	if _, err := f.s.SignIn(ctx, "ada@example.com", "a brand new phrase", Client{Address: "192.0.2.1"}); err != nil {
		t.Error(err)
	}

	// Somebody signed in has a share of their own, to whatever address.
	l, err := f.s.SignIn(ctx, "ada@example.com", "a brand new phrase", Client{Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	from := func(address string) func(int) error {
		a := registry.AsUser(l.User, l.Session.ID, address)
		return func(i int) error {
			return f.s.ChangeEmail(ctx, a, "a brand new phrase", fmt.Sprintf("victim%d@example.com", i))
		}
	}
	if n := busyOf(10, from("192.0.2.1")); n != 5 {
		t.Errorf("%d of 10 letters of one account were refused, want 5", n)
	}
	// Elsewhere a thief's session has a share of its own, and there is one for all networks.
	if n := busyOf(10, from("198.51.100.1")); n != 5 {
		t.Errorf("%d of 10 letters from another network were refused, want 5", n)
	}
	if n := busyOf(30, func(i int) error { return from(fmt.Sprintf("10.%d.0.1", i))(i) }); n != 20 {
		t.Errorf("%d of 30 letters from everywhere were refused, want 20", n)
	}
}

// TestTypedAddresses: accounts without a password, which no wrong password slows down, have few
// mails sent from one network, and nothing of an account is spent where its network is refused.
func TestTypedAddresses(t *testing.T) {
	f := newFixture(t)
	mail := make(postbox, 1000)
	f.s.Mail = mail
	var people []registry.User
	for i := range 11 { // as a provider's answer makes them
		u, err := f.store.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: fmt.Sprintf("p%d@example.com", i), Name: "Some Body"})
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, u)
	}
	change := func(u registry.User, address, to string) error {
		a := registry.AsSession(u, registry.Session{ID: registry.SessionID(registry.NewID()), AuthTime: f.clock.now()}, address)
		return f.s.ChangeEmail(ctx, a, "", to)
	}
	if n := busyOf(500, func(i int) error {
		return change(people[i%10], "192.0.2.1", fmt.Sprintf("v%d@example.net", i))
	}); n != 480 {
		t.Errorf("%d of 500 letters from one network were refused, want 480", n)
	}
	for range 50 {
		want(t, change(people[10], "192.0.2.1", "x@example.net"), registry.CodeTooManyRequests)
	}
	if n := busyOf(5, func(i int) error { return change(people[10], "203.0.113.1", fmt.Sprintf("w%d@example.net", i)) }); n != 0 {
		t.Errorf("%d letters were refused since the account's network had been", n)
	}
}

// TestTargetAddress: however many accounts and orgs have mail sent to one address, it gets a few at
// once, then one in half an hour, and then none; who has it sent is told the same each time.
func TestTargetAddress(t *testing.T) {
	f := newFixture(t)
	mail := make(postbox, 1000)
	f.s.Mail = mail
	var limited int
	f.s.Limited = func(purpose, limit string) {
		if purpose == limitsMail && limit == limitTarget {
			limited++
		}
	}
	owner := f.user("owner@example.com")
	l := f.signIn("owner@example.com")
	a := registry.AsUser(owner, l.Session.ID, "192.0.2.1")
	var answers []string
	for i := range 10 {
		o := f.org(fmt.Sprintf("org-%d", i), owner)
		for range 4 {
			link, secret, err := f.s.Invite(ctx, a, o.ID, "victim@example.net", registry.RoleMember)
			if err != nil || secret != "" {
				t.Fatalf("invitation %d: %q %v", i, secret, err)
			}
			answers = append(answers, fmt.Sprint(link.Mailed, link.Email, link.ExpiresAt))
		}
	}
	var now, later, never int
	last := time.Time{}
	for range 40 {
		switch l := mail.next(t, LetterInvite); {
		case l.Withheld:
			never++
		case l.After.IsZero():
			now++
		default:
			later++
			last = l.After
		}
	}
	if now != 10 || later != 24 || never != 6 || limited != 6 || last.Sub(f.clock.now()) != 12*time.Hour {
		t.Errorf("%d at once, %d later, %d never (%d counted), the last in %s", now, later, never, limited, last.Sub(f.clock.now()))
	}
	for _, s := range answers {
		if s != answers[0] {
			t.Errorf("the answers differ: %s, %s", s, answers[0])
		}
	}
	// A change of address counts at the same address, and answers the same.
	if err := f.s.ChangeEmail(ctx, a, goodPassword, "victim@example.net"); err != nil {
		t.Error(err)
	}
	mail.next(t, LetterMoving) // the old address hears of it all the same
	if l := mail.next(t, LetterEmail); !l.Withheld {
		t.Error("a change of address passes")
	}
	// So does verifying it, for whoever made an account with it.
	v := f.user("victim@example.net")
	if err := f.s.VerifyEmail(ctx, registry.AsUser(v, "", "192.0.2.9")); err != nil {
		t.Error(err)
	}
	if l := mail.next(t, LetterVerify); !l.Withheld {
		t.Error("a verification passes")
	}
	f.clock.add(30 * time.Minute)
	o := f.org("another", owner)
	if _, _, err := f.s.Invite(ctx, a, o.ID, "victim@example.net", registry.RoleMember); err != nil {
		t.Error(err)
	}
	if l := mail.next(t, LetterInvite); l.Withheld || l.After.IsZero() {
		t.Errorf("half an hour later: %+v", l)
	}
}

// TestInvitationsOfOneOrg: what one org has sent to an address does not count against another.
func TestInvitationsOfOneOrg(t *testing.T) {
	f := newFixture(t)
	mail := make(postbox, 1000)
	f.s.Mail = mail
	owner := f.user("owner@example.com")
	l := f.signIn("owner@example.com")
	a := registry.AsUser(owner, l.Session.ID, "192.0.2.1")
	acme, globex := f.org("acme", owner), f.org("globex", owner)
	invite := func(o registry.Org) error {
		_, _, err := f.s.Invite(ctx, a, o.ID, "ceo@example.net", registry.RoleMember)
		return err
	}
	if n := busyOf(10, func(int) error { return invite(globex) }); n != 5 {
		t.Errorf("%d of 10 invitations of one org were refused, want 5", n)
	}
	if err := invite(acme); err != nil {
		t.Errorf("another org's first: %v", err)
	}
}
