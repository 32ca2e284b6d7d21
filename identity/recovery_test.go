package identity

import (
	"path"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestChangeOfAddressIsAnnounced: the old address hears of it first, and can stop it. A session
// alone does not ask for it: it takes the password, or without one a recent sign-in.
func TestChangeOfAddressIsAnnounced(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	mail := make(postbox, 10)
	f.s.Mail = mail
	var kinds []string
	f.s.Recovered = func(kind string) { kinds = append(kinds, kind) }
	a := registry.AsSession(u, f.signIn(u.Email).Session, "")
	want(t, f.s.ChangeEmail(ctx, a, "", "thief@example.org"), registry.CodeForbidden)
	want(t, f.s.ChangeEmail(ctx, a, "wrong wrong wrong", "thief@example.org"), registry.CodeForbidden)
	want(t, f.s.ChangeEmail(ctx, a, goodPassword, "nonsense"), registry.CodeInvalid)
	if len(mail) != 0 {
		t.Fatal("a letter is sent for nothing")
	}
	if err := f.s.ChangeEmail(ctx, a, goodPassword, "thief@example.org"); err != nil {
		t.Fatal(err)
	}
	told, confirm := mail.next(t, LetterMoving), mail.next(t, LetterEmail)
	if told.New != "thief@example.org" {
		t.Errorf("%+v", told)
	}
	want(t, f.s.StopEmailChange(ctx, path.Base(confirm.Link), Client{}), registry.CodeGone)
	if err := f.s.StopEmailChange(ctx, path.Base(told.Link), Client{}); err != nil {
		t.Fatal(err)
	}
	want(t, f.s.StopEmailChange(ctx, path.Base(told.Link), Client{}), registry.CodeGone)
	_, err := f.s.ConfirmEmail(ctx, a, path.Base(confirm.Link))
	want(t, err, registry.CodeGone)
	if len(kinds) != 1 || kinds[0] != RecoveryStopped {
		t.Errorf("counted as %q", kinds)
	}

	// Somebody who signs in by a provider alone.
	n := registry.NewUser{Email: "eve@example.com", Name: "Eve"}
	if u, err = f.store.CreateUser(ctx, registry.AsOperator(), n); err != nil {
		t.Fatal(err)
	}
	login, err := f.s.login(ctx, u, Client{}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	a = registry.AsSession(u, login.Session, "")
	f.clock.add(registry.FreshFor + time.Second)
	want(t, f.s.ChangeEmail(ctx, a, "", "thief@example.org"), registry.CodeReauthenticationNeeded)
}

// TestWaitingRoleIsTold: both sides learn by mail that a role waits, and who made the account.
func TestWaitingRoleIsTold(t *testing.T) {
	f := newFixture(t)
	owner := f.user("owner@example.com")
	org := func(slug string) registry.Org {
		t.Helper()
		n := registry.NewOrg{Slug: slug, Owner: owner.ID}
		o, err := f.store.CreateOrg(ctx, registry.AsOperator(), n)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	globex, acme := org("globex"), org("acme")
	invite := func(o registry.Org) string {
		t.Helper()
		as := registry.AsUser(owner, "", "")
		_, link, err := f.s.Invite(ctx, as, o.ID, "ceo@acme.test", registry.RoleAdmin)
		if err != nil {
			t.Fatal(err)
		}
		return path.Base(link)
	}
	l, _, err := f.s.AcceptAsNew(ctx, invite(globex), "CEO", goodPassword, Client{})
	if err != nil {
		t.Fatal(err)
	}
	f.clock.add(time.Hour)
	secret := invite(acme) // handed over, before there is mail
	mail := make(postbox, 10)
	f.s.Mail = mail
	if _, err := f.s.Accept(ctx, registry.AsSession(l.User, l.Session, ""), secret); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		kind LetterKind
		name string
	}{{LetterWaiting, "CEO"}, {LetterWaits, owner.Name}} {
		got := mail.next(t, want.kind)
		if got.Name != want.name || got.Org != "acme" || got.MadeBy != "globex" ||
			got.Role != registry.RoleAdmin || !got.Since.Equal(l.User.CreatedAt) {
			t.Errorf("%+v", got)
		}
	}
}
