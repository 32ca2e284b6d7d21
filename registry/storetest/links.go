package storetest

import "github.com/pizzaface/pizzeria/registry"

// revokedInvites: an invitation that was taken back lets nobody in, and each org's are its own.
func revokedInvites(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	other, asOther := e.user("other@example.com")
	theirs := e.org("globex", other.ID)
	_, asMember := e.member(o.ID, "member@example.com", registry.RoleMember)
	l, err := e.s.CreateInvite(ctx, asOwner, o.ID, "new@example.com", registry.RoleMember, secret("new"))
	e.ok(err)
	e.want(e.s.RevokeInvite(ctx, asMember, o.ID, l.ID), registry.CodeForbidden)
	e.want(e.s.RevokeInvite(ctx, asOther, o.ID, l.ID), registry.CodeNotFound)
	e.want(e.s.RevokeInvite(ctx, asOther, theirs.ID, l.ID), registry.CodeNotFound)
	e.ok(e.s.RevokeInvite(ctx, asOwner, o.ID, l.ID))
	e.want(e.s.RevokeInvite(ctx, asOwner, o.ID, l.ID), registry.CodeNotFound)
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("new"), "New", "hash")
	e.want(err, registry.CodeGone)
}

// stoppedEmailChange: the old address stops a change that it did not ask for, once.
func stoppedEmailChange(e env) {
	u, asU := e.user("u@example.com")
	link := func(kind registry.LinkKind, email string, s string) {
		e.Helper()
		e.ok(second(e.s.CreateAccountLink(ctx, asU, kind, u.ID, email, secret(s))))
	}
	link(registry.LinkEmail, "thief@example.com", "confirm")
	link(registry.LinkStop, "", "stop")
	visitor := registry.AsVisitor("")
	e.want(second(e.s.StopEmailChange(ctx, visitor, secret("confirm"))), registry.CodeGone)
	e.ok(second(e.s.StopEmailChange(ctx, visitor, secret("stop"))))
	e.want(second(e.s.StopEmailChange(ctx, visitor, secret("stop"))), registry.CodeGone)
	_, _, err := e.s.ConfirmEmail(ctx, visitor, secret("confirm"))
	e.want(err, registry.CodeGone)
	if now := e.again(u); now.Email != u.Email {
		e.Errorf("the address is %s", now.Email)
	}
}

// rehashed: a hash is replaced only as long as the password is the same.
func rehashed(e env) {
	u, asU := e.user("u@example.com")
	e.want(e.s.Rehash(ctx, asU, u.ID, "hash", "better"), registry.CodeForbidden)
	e.ok(e.s.Rehash(ctx, system, u.ID, "hash", "better"))
	e.ok(e.s.Rehash(ctx, system, u.ID, "hash", "of a password that was replaced"))
	if now := e.again(u); now.PasswordHash != "better" {
		e.Error("another hash is stored")
	}
}
