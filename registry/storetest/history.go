package storetest

import (
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// lostHistory: what took access away and was lost is done again, once, and said; what was given back
// since is left alone, and so is what an org or the platform cannot be without.
func lostHistory(e env) {
	boss, asBoss := e.user("boss@example.com")
	admin, err := e.s.CreateUser(ctx, operator, registry.NewUser{
		Email: "admin@example.com", Name: "Admin", PlatformAdmin: true, PasswordHash: "hash",
	})
	e.ok(err)
	o := e.org("acme", boss.ID)
	gone, asGone := e.member(o.ID, "gone@example.com", registry.RoleMember)
	back, _ := e.member(o.ID, "back@example.com", registry.RoleMember)
	demoted, _ := e.member(o.ID, "demoted@example.com", registry.RoleAdmin)
	disabled, _ := e.user("disabled@example.com")
	session := func(u registry.User) registry.Session {
		e.Helper()
		v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(registry.NewID()), User: u})
		e.ok(err)
		return v
	}
	out, in := session(back), session(demoted)
	r, key := e.runner(asBoss, o.ID, "host")
	e.clock.Add(time.Second)
	change := func(kind registry.ChangeKind, org registry.OrgID, user registry.UserID, id registry.SessionID, version int64) registry.Change {
		e.Helper()
		return registry.Change{Kind: kind, OrgID: org, UserID: user, SessionID: id, Version: version, At: e.clock.Now()}
	}
	lost := registry.LostHistory{First: 100, Last: 111, Changes: []registry.Change{
		change(registry.ChangeOrgUpdated, o.ID, "", "", 0),
		change(registry.ChangeSessionRevoked, "", back.ID, out.ID, 0),
		change(registry.ChangeSessionRevoked, "", back.ID, "of the lost changes", 0),
		change(registry.ChangeRunnerRevoked, o.ID, boss.ID, r.ID.Session(), 0),
		change(registry.ChangeMemberRemoved, o.ID, gone.ID, "", 7),
		change(registry.ChangeMemberRemoved, o.ID, back.ID, "", 8),
		change(registry.ChangeMemberAdded, o.ID, back.ID, "", 0),
		change(registry.ChangeMemberRemoved, o.ID, boss.ID, "", 1), // another owner came with the lost changes
		change(registry.ChangeMemberChanged, o.ID, demoted.ID, "", 9),
		change(registry.ChangeUserDisabled, "", disabled.ID, "", 0),
		change(registry.ChangeUserDisabled, "", admin.ID, "", 0),
		change(registry.ChangeOrgSignIn, o.ID, "", "", 5),
	}}
	e.want(e.s.NoteLostHistory(ctx, operator, lost), registry.CodeForbidden)
	before, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(e.s.NoteLostHistory(ctx, system, lost))

	live := func(s registry.Session, want bool) {
		e.Helper()
		if _, _, err := e.s.SessionByID(ctx, system, s.ID); (err == nil) != want {
			e.Errorf("session of %s: %v", s.UserID, err)
		}
	}
	live(out, false)
	live(in, true)
	e.want(second(e.s.RunnerGrant(ctx, system, r.ID, &key)), registry.CodeNotFound)
	e.roleOf(o.ID, gone.ID, "")
	e.want(second(e.s.Org(ctx, asGone, o.ID)), registry.CodeNotFound)
	e.roleOf(o.ID, back.ID, registry.RoleMember)
	e.roleOf(o.ID, boss.ID, registry.RoleOwner)
	e.roleOf(o.ID, demoted.ID, registry.RoleAdmin)
	if !e.again(disabled).Disabled() || e.again(admin).Disabled() {
		e.Error("one account is to be disabled again, and the only platform admin's is not")
	}

	// What comes next has versions that the lost changes did not have.
	g, err := e.s.Grant(ctx, system, in.ID, o.ID)
	e.ok(err)
	if g.Version != 9 || g.Org.SignInVersion != 5 {
		e.Errorf("versions %d and %d", g.Version, g.Org.SignInVersion)
	}
	changes, err := e.s.Changes(ctx, system, before, 100)
	e.ok(err)
	last := changes[len(changes)-1]
	if last.Kind != registry.ChangeHistoryLost {
		e.Errorf("the feed ends with %+v", last)
	}
	for _, c := range changes {
		if c.Kind == registry.ChangeMemberRemoved && (c.UserID != gone.ID || c.Version != 8) {
			e.Errorf("%+v", c)
		}
	}
	p, err := e.s.PlatformAudit(ctx, operator, registry.AuditList{})
	e.ok(err)
	const says = "changes 100 to 111: member.added 1, member.changed 1, member.removed 3, " +
		"org.sign_in 1, org.updated 1, runner.revoked 1, session.revoked 2, user.disabled 2; " +
		"repeated: member.removed 1, runner.revoked 1, session.revoked 1, user.disabled 1"
	said := p.Items[0]
	if said.Action != registry.ChangeHistoryLost || said.ActorKind != registry.ActorSystem || said.Detail != says {
		e.Errorf("%s by %s: %s", said.Action, said.ActorKind, said.Detail)
	}
	e.ok(second(e.s.VerifyAudit(ctx, operator, nil)))

	// Another process knows of the same loss; and then there is another one, with the same numbers.
	e.ok(e.s.NoteLostHistory(ctx, system, lost))
	if head, err := e.s.Head(ctx, system); err != nil || head != last.Seq {
		e.Errorf("noted twice: %d %v", head, err)
	}
	e.clock.Add(time.Second)
	again := registry.LostHistory{First: 100, Last: 111, Changes: []registry.Change{
		change(registry.ChangeOrgUpdated, o.ID, "", "", 0),
	}}
	e.ok(e.s.NoteLostHistory(ctx, system, again))
	p, err = e.s.PlatformAudit(ctx, operator, registry.AuditList{})
	e.ok(err)
	if said := p.Items[0]; !strings.HasSuffix(said.Detail, ": org.updated 1") {
		e.Errorf("the next loss: %s", said.Detail)
	}
}
