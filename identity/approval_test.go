package identity

import (
	"context"
	"fmt"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// outbox keeps letters with whom they go to.
type outbox map[LetterKind][]string

func (o outbox) Enabled() bool { return true }

func (o outbox) Queue(_ context.Context, to string, l Letter, _ string) error {
	o[l.Kind] = append(o[l.Kind], to)
	return nil
}

// got takes the letters of a kind, which went to these people and nobody else.
func (o outbox) got(t *testing.T, kind LetterKind, to ...string) {
	t.Helper()
	slices.Sort(o[kind])
	if !slices.Equal(o[kind], to) {
		t.Errorf("%s went to %v, want %v", kind, o[kind], to)
	}
	delete(o, kind)
}

// TestOwnersAreTold: what an admin does about who gets into an org is told to those who can stop
// it.
func TestOwnersAreTold(t *testing.T) {
	f := newFixture(t)
	owner := f.user("a-owner@example.com")
	o, asOwner := f.org("acme", owner), f.as(owner)
	join := func(email string, role registry.Role) registry.User {
		t.Helper()
		_, link, err := f.s.Invite(ctx, asOwner, o.ID, email, role)
		if err != nil {
			t.Fatal(err)
		}
		l, _, err := f.s.AcceptAsNew(ctx, path.Base(link), email, goodPassword, Client{Address: "192.0.2.1"})
		if err != nil {
			t.Fatal(err)
		}
		return l.User
	}
	second := join("b-owner@example.com", registry.RoleOwner)
	eve := join("eve@example.com", registry.RoleMember)
	you := f.user("you@example.com")
	root, err := f.s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: "root@example.com", Name: "Root", PlatformAdmin: true}, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	asRoot := f.as(root)
	mail := outbox{}
	f.s.Mail = mail
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// A request, which is limited as letters are; the invitation goes out once it is approved.
	i, err := f.s.InviteOrAsk(ctx, asRoot, o.ID, "friend@example.com", registry.RoleMember)
	ok(err)
	if i.Approval == nil || i.Link != "" || i.Invite.ID != "" {
		t.Fatalf("%+v", i)
	}
	mail.got(t, LetterApproval, "a-owner@example.com", "b-owner@example.com")
	mail.got(t, LetterInvite)
	i, err = f.s.DecideApproval(ctx, asOwner, o.ID, i.Approval.ID, true)
	ok(err)
	if i.Link != "" || !i.Invite.Mailed {
		t.Errorf("%+v", i)
	}
	mail.got(t, LetterInvite, "friend@example.com")
	p, err := f.s.SetRoleOrAsk(ctx, asRoot, o.ID, eve.ID, registry.RoleAdmin)
	ok(err)
	if p == nil {
		t.Fatal("a role is given from outside")
	}
	mail.got(t, LetterApproval, "a-owner@example.com", "b-owner@example.com")
	p, err = f.s.SetRoleOrAsk(ctx, asOwner, o.ID, eve.ID, registry.RoleAdmin)
	ok(err)
	if p != nil {
		t.Errorf("an owner waits: %+v", p)
	}
	for n := range 9 {
		i, err := f.s.InviteOrAsk(ctx, asRoot, o.ID, fmt.Sprintf("u%d@example.com", n), registry.RoleMember)
		ok(err)
		ok(f.store.EndApproval(ctx, asRoot, o.ID, i.Approval.ID))
	}
	if n := len(mail[LetterApproval]); n > 10 {
		t.Errorf("%d letters for one admin's requests", n)
	}
	delete(mail, LetterApproval)

	// A link for a password, and its use. A warning is never left out.
	_, link, err := f.s.ResetLink(ctx, asRoot, eve.ID)
	ok(err)
	mail.got(t, LetterLinkMade, "eve@example.com")
	mail.got(t, LetterMemberLink, "a-owner@example.com", "b-owner@example.com")
	ok(f.s.ResetPassword(ctx, path.Base(link), "a brand new phrase", Client{Address: "192.0.2.1"}))
	mail.got(t, LetterPassword, "eve@example.com")
	mail.got(t, LetterHeld, "a-owner@example.com", "b-owner@example.com")

	// A second step that is removed.
	ok(f.store.SetRole(ctx, asOwner, o.ID, second.ID, registry.RoleMember))
	_, err = f.store.AddFactor(ctx, asOwner, registry.Factor{ID: "f", Kind: registry.FactorTOTP, Name: "Phone", Sealed: []byte("x")}, 1, nil)
	ok(err)
	ok(f.s.RemoveFactors(ctx, asRoot, owner.ID))
	mail.got(t, LetterSecond, "a-owner@example.com")
	// Nobody else could confirm the only owner: everybody hears of it.
	mail.got(t, LetterHeld, "a-owner@example.com", "b-owner@example.com", "eve@example.com")
	f.clock.add(registry.BreakGlassWait)
	ok(f.store.FinishApprovals(ctx, registry.AsSystem("test")))

	_, err = f.s.BreakGlass(ctx, registry.AsOperator(), o.ID, you.Email)
	ok(err)
	mail.got(t, LetterBreakGlass, "a-owner@example.com", "b-owner@example.com", "eve@example.com")
	if len(mail) != 0 {
		t.Errorf("%v", mail)
	}
	f.clock.add(time.Second)

	// Without mail an owner hands the link over.
	f.s.Mail = nil
	i, err = f.s.InviteOrAsk(ctx, asRoot, o.ID, "last@example.com", registry.RoleMember)
	ok(err)
	i, err = f.s.DecideApproval(ctx, f.as(owner), o.ID, i.Approval.ID, true)
	ok(err)
	if _, _, err := f.s.AcceptAsNew(ctx, path.Base(i.Link), "Last", goodPassword, Client{Address: "192.0.2.1"}); err != nil {
		t.Error(err)
	}
}
