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
	a := registry.AsUser(l.User, l.Session.ID, "192.0.2.1")
	if n := busyOf(10, func(i int) error {
		return f.s.ChangeEmail(ctx, a, "a brand new phrase", fmt.Sprintf("victim%d@example.com", i))
	}); n != 5 {
		t.Errorf("%d of 10 letters of one account were refused, want 5", n)
	}
}
