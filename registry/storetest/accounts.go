package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// accountLinks: who asks for them, and what whoever has one may.
func accountLinks(e env) {
	u, asU := e.user("a@example.com")
	other, asOther := e.user("b@example.com")
	_, asKey := e.key(asU, registry.NewAPIKey{Scopes: registry.Scopes()[:3]})
	link := func(as registry.Actor, kind registry.LinkKind, email, token string) error {
		return second(e.s.CreateAccountLink(ctx, as, kind, u.ID, email, secret(token)))
	}
	confirm := func(token string) error {
		return third(e.s.ConfirmEmail(ctx, asU, secret(token)))
	}
	for _, kind := range []registry.LinkKind{registry.LinkVerify, registry.LinkEmail} {
		e.want(link(asOther, kind, "x@example.com", "no"), registry.CodeNotFound)
		for _, as := range []registry.Actor{asKey, operator, visitor, system} {
			e.refused(link(as, kind, "x@example.com", "no"))
		}
	}
	for _, as := range []registry.Actor{asU, asOther, asKey, visitor} {
		e.refused(link(as, registry.LinkReset, "", "no"))
	}
	root, asRoot := e.user("root@example.com")
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &yes}))
	root, err := e.s.User(ctx, operator, root.ID)
	e.ok(err)
	asRoot = e.person(root, asRoot.Session, "")
	k, err := e.s.CreateAPIKey(ctx, asRoot, registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopePlatform}}, secret("k"))
	e.ok(err)
	e.want(link(registry.AsKey(k, root, ""), registry.LinkReset, "", "no"), registry.CodePersonNeeded) // a key would become a person
	e.ok(link(asRoot, registry.LinkReset, "", "unused"))
	e.want(link(asU, registry.LinkInvite, "", "no"), registry.CodeInvalid)
	e.want(link(asU, registry.LinkEmail, "nonsense", "no"), registry.CodeInvalid)
	e.want(link(asU, registry.LinkEmail, u.Email, "no"), registry.CodeConflict)

	e.ok(link(asU, registry.LinkVerify, "", "first"))
	e.ok(link(asU, registry.LinkVerify, "", "v"))
	e.want(confirm("first"), registry.CodeGone) // replaced
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("v"), "evil")), registry.CodeGone)
	e.want(second(e.s.AcceptInvite(ctx, asU, secret("v"))), registry.CodeGone)
	// That mail arrives does not show that whoever reads it has the account.
	for _, as := range []registry.Actor{visitor, system, operator, asKey} {
		e.want(third(e.s.ConfirmEmail(ctx, as, secret("v"))), registry.CodeUnauthenticated)
	}
	e.want(third(e.s.ConfirmEmail(ctx, asOther, secret("v"))), registry.CodeForbidden)
	e.ok(confirm("v"))
	e.want(confirm("v"), registry.CodeGone)
	verified := func(want bool) {
		e.Helper()
		got, err := e.s.User(ctx, operator, u.ID)
		e.ok(err)
		if got.EmailVerified != want {
			e.Errorf("verified: %v", got.EmailVerified)
		}
	}
	verified(true)

	// Another address: the old one's links end with it, and an address is one account's.
	e.ok(link(asU, registry.LinkEmail, " New@Example.com", "n"))
	e.ok(link(system, registry.LinkReset, "", "old"))
	was, now, err := e.s.ConfirmEmail(ctx, asU, secret("n"))
	e.ok(err)
	if was.Email != "a@example.com" || now.Email != "new@example.com" || !now.EmailVerified {
		e.Errorf("%+v %+v", was, now)
	}
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("old"), "evil")), registry.CodeGone)
	e.ok(link(asU, registry.LinkEmail, other.Email, "taken"))
	e.want(confirm("taken"), registry.CodeConflict)
	e.ok(link(asU, registry.LinkEmail, "later@example.com", "late"))
	e.clock.Add(registry.EmailLinkLife)
	e.want(confirm("late"), registry.CodeGone)

	// A reset ends all sessions; it verifies the address only when it was mailed there.
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("session"), User: u})
	e.ok(err)
	e.ok(link(operator, registry.LinkReset, "", "r"))
	e.want(confirm("r"), registry.CodeGone)
	got, err := e.s.ResetPassword(ctx, visitor, secret("r"), "new hash")
	e.ok(err)
	if got.ID != u.ID {
		e.Errorf("%+v", got)
	}
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("r"), "again")), registry.CodeGone)
	e.want(third(e.s.SessionByID(ctx, system, v.ID)), registry.CodeNotFound)

	// Anybody can ask for a link: an earlier one stays good, until one is used or the password is changed.
	for _, used := range []string{"mine", "theirs"} {
		mine, theirs := "mine, with "+used+" used", "theirs, with "+used+" used"
		e.ok(link(system, registry.LinkReset, "", mine))
		e.ok(link(system, registry.LinkReset, "", theirs))
		e.ok(second(e.s.ResetPassword(ctx, visitor, secret(used+", with "+used+" used"), "new hash")))
		e.want(second(e.s.ResetPassword(ctx, visitor, secret(mine), "evil")), registry.CodeGone)
		e.want(second(e.s.ResetPassword(ctx, visitor, secret(theirs), "evil")), registry.CodeGone)
	}
	e.ok(link(system, registry.LinkReset, "", "left"))
	asU = e.person(e.again(u), asU.Session, "")
	e.ok(e.s.SetPassword(ctx, asU, "new hash"))
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("left"), "evil")), registry.CodeGone)
	if got, err = e.s.User(ctx, operator, u.ID); err != nil || got.PasswordHash != "new hash" {
		e.Errorf("%+v %v", got, err)
	}
	e.ok(link(system, registry.LinkReset, "", "r3"))
	e.clock.Add(registry.ResetLinkLife)
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("r3"), "late")), registry.CodeGone)

	// An invitation that was mailed verifies its address, another does not.
	o := e.org("acme", u.ID)
	for email, mailed := range map[string]bool{"mailed@example.com": true, "handed@example.com": false} {
		l, err := e.s.CreateInvite(ctx, e.ownerOf(o.ID), o.ID, email, registry.RoleMember, secret(email))
		e.ok(err)
		if mailed {
			e.ok(e.s.QueueMail(ctx, system, registry.Mail{ID: registry.NewID(), To: email, Sealed: []byte("x")}, l.ID))
		}
		_, _, err = e.s.AcceptInviteAsNew(ctx, visitor, secret(email), "Somebody", "hash")
		e.ok(err)
		if m, err := e.s.UserByEmail(ctx, system, email); err != nil || m.EmailVerified != mailed {
			e.Errorf("%+v %v", m, err)
		}
	}
}

// mails: kept until they are sent or given up.
func mails(e env) {
	m := registry.Mail{ID: registry.NewID(), To: "a@example.com", Sealed: []byte("sealed")}
	e.want(e.s.QueueMail(ctx, operator, m, ""), registry.CodeForbidden)
	if e.s.QueueMail(ctx, system, m, registry.NewID()) == nil {
		e.Error("queued with a link that is not there")
	}
	e.ok(e.s.QueueMail(ctx, system, m, ""))
	claim := func(want int) []registry.Mail {
		e.Helper()
		list, err := e.s.ClaimMails(ctx, system, 10)
		e.ok(err)
		if len(list) != want {
			e.Fatalf("%d are due, want %d", len(list), want)
		}
		return list
	}
	due := func(want int) []registry.Mail {
		e.Helper()
		list := claim(want)
		for _, m := range list {
			e.ok(e.s.ReleaseMail(ctx, system, m))
		}
		return list
	}
	if got := due(1)[0]; got.ID != m.ID || got.To != m.To || string(got.Sealed) != "sealed" || got.Attempts != 0 {
		e.Errorf("%+v", got)
	}
	e.ok(e.s.ReportMail(ctx, system, claim(1)[0], e.clock.Now().Add(time.Minute)))
	due(0)
	e.clock.Add(time.Minute)
	if got := due(1)[0]; got.Attempts != 1 {
		e.Errorf("%+v", got)
	}
	e.ok(e.s.ReportMail(ctx, system, claim(1)[0], time.Time{}))
	due(0)

	m.After = e.clock.Now().Add(time.Hour)
	e.ok(e.s.QueueMail(ctx, system, m, ""))
	due(0)
	e.clock.Add(time.Hour)
	due(1)
	m.ID, m.Withheld = registry.NewID(), true
	l, err := e.s.CreateInvite(ctx, operator, e.org("withheld", "").ID, "withheld@example.com", registry.RoleMember, secret("withheld"))
	e.ok(err)
	e.ok(e.s.QueueMail(ctx, system, m, l.ID))
	e.clock.Add(time.Hour)
	due(1)
	_, _, err = e.s.AcceptInviteAsNew(ctx, visitor, secret("withheld"), "Somebody", "hash")
	e.ok(err)
	if u, err := e.s.UserByEmail(ctx, system, "withheld@example.com"); err != nil || !u.EmailVerified {
		e.Errorf("a letter that is withheld does not count as sent: %+v %v", u, err)
	}
}
