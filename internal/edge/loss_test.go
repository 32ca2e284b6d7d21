package edge

import (
	"testing"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// TestLostRevocations: what this gateway was told before the store lost it holds. A session that ended
// stays ended. Somebody whose membership changed is not believed by what the store says of before,
// from when the store has lost that until the loss was noted, and others are.
func TestLostRevocations(t *testing.T) {
	f := newFixture(t)
	f.want(200)
	removed := func(version int64) {
		f.g.Revocations.Apply(registry.Change{
			Kind: registry.ChangeMemberRemoved, OrgID: f.org.ID, UserID: f.login.User.ID, Version: version, At: f.clock,
		})
	}
	loss := registry.LostHistory{First: 50, Last: 51, Replaced: true, Changes: []registry.Change{
		{Kind: registry.ChangeSessionRevoked, Seq: 50, SessionID: "another", At: f.clock},
		{Kind: registry.ChangeMemberRemoved, Seq: 51, OrgID: f.org.ID, UserID: f.login.User.ID, Version: 2, At: f.clock},
	}}
	f.g.Revocations.Apply(loss.Changes[0])
	f.g.Revocations.Lost(loss)
	f.want(200) // nobody said anything of this one
	removed(2)
	f.want(503) // the store has lost it, and nobody has noticed
	f.g.Revocations.Lost(loss)
	f.want(503)
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeHistoryLost, Seq: 52})
	f.want(200) // what the control plane repeated, or could not repeat, counts
	removed(1)
	f.want(503) // of the new history
	loss.Noted = true
	f.g.Revocations.Lost(loss)
	f.want(200)
	removed(3)
	f.want(503)
	f.g.Revocations.Lost(registry.LostHistory{First: 1, Last: 52})
	f.want(200) // of what was lost nothing is known
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, Seq: 53, SessionID: f.login.Session.ID, At: f.clock})
	f.g.Revocations.Lost(loss)
	f.want(401)
}

// TestLossInFlight: what is on its way continues if all lost changes are known and none of them concerns
// it. Afterwards its session is read again.
func TestLossInFlight(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		lost []registry.Change
		over bool // others may have been lost
		cut  bool
	}{
		"of nobody":          {lost: []registry.Change{{Kind: registry.ChangePlanUpdated}}},
		"of another org":     {lost: []registry.Change{{Kind: registry.ChangeOrgUpdated, OrgID: "another"}}},
		"of another person":  {lost: []registry.Change{{Kind: registry.ChangeMemberAdded, OrgID: f.org.ID, UserID: "another"}}},
		"of another session": {lost: []registry.Change{{Kind: registry.ChangeSessionCreated, UserID: f.login.User.ID, SessionID: "another"}}},
		"of this org":        {cut: true, lost: []registry.Change{{Kind: registry.ChangeOrgResumed, OrgID: f.org.ID}}},
		"of this person":     {cut: true, lost: []registry.Change{{Kind: registry.ChangeMemberAdded, OrgID: f.org.ID, UserID: f.login.User.ID}}},
		"of this session":    {cut: true, lost: []registry.Change{{Kind: registry.ChangeSessionCreated, SessionID: f.login.Session.ID}}},
		"of keys":            {cut: true, lost: []registry.Change{{Kind: registry.ChangeKeyRotated}}},
		"others may be lost": {over: true, cut: true, lost: []registry.Change{{Kind: registry.ChangePlanUpdated}}},
	} {
		t.Run(name, func(t *testing.T) {
			f.g.Routes = oneRoute{&registry.Route{
				OrgID: f.org.ID, Slug: "acme", Generation: f.org.Generation, Status: registry.RouteServing,
			}}
			_, _, st := f.ask()
			st.Begin(nil)
			defer st.End()
			if err := f.g.register(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			f.g.Revocations.Lost(registry.LostHistory{First: 50, Last: 50, Changes: c.lost, Replaced: !c.over})
			if err := f.g.judgeAgain(t.Context(), st); (err != nil) != c.cut {
				t.Errorf("%v", err)
			}
			f.want(200)
			if must, _ := f.g.Revocations.judge(&st.Claims, st.session.read.Load()); !must {
				t.Error("the session is not read again")
			}
		})
	}
}

// TestLossBeforeRegistration: a request that was let through, and is not yet among those that a loss
// would cut, is judged again.
func TestLossBeforeRegistration(t *testing.T) {
	f := newFixture(t)
	f.g.Routes = oneRoute{&registry.Route{
		OrgID: f.org.ID, Slug: "acme", Generation: f.org.Generation, Status: registry.RouteServing,
	}}
	changes := []registry.Change{{Kind: registry.ChangePlanUpdated}}
	for name, c := range map[string]struct {
		lose func()
		cut  bool
	}{
		"nothing":            {lose: func() {}},
		"a gap":              {lose: f.g.Revocations.Reset, cut: true},
		"others may be lost": {lose: func() { f.g.Revocations.Lost(registry.LostHistory{Changes: changes}) }, cut: true},
		"all are known":      {lose: func() { f.g.Revocations.Lost(registry.LostHistory{Changes: changes, Replaced: true}) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, st := f.ask()
			st.Begin(nil)
			defer st.End()
			c.lose()
			if err := f.g.register(t.Context(), st); (err != nil) != c.cut {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestSettled: once the loss of a version is noted, the version that the registry has counts, and those
// that follow it.
func TestSettled(t *testing.T) {
	f := newFixture(t)
	v := f.g.Revocations
	of := func(member, org int64) *token.SessionClaims {
		return &token.SessionClaims{Subject: "u", OrgID: f.org.ID, Version: member, OrgVersion: org}
	}
	for name, c := range map[string]struct {
		change registry.Change
		claims func(version int64) *token.SessionClaims
	}{
		"a member": {
			registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: f.org.ID, UserID: "u"},
			func(n int64) *token.SessionClaims { return of(n, 99) },
		},
		"an org": {
			registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: f.org.ID},
			func(n int64) *token.SessionClaims { return of(99, n) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := func(version int64) {
				c.change.Version = version
				v.Apply(c.change)
			}
			behind := func(version int64, want bool) {
				t.Helper()
				if got := v.behind(c.claims(version)); got != want {
					t.Errorf("version %d is behind: %t", version, got)
				}
			}
			changed(7)
			behind(6, true)
			behind(7, false)
			v.Apply(registry.Change{Kind: registry.ChangeHistoryLost})
			behind(3, false)
			changed(4)
			behind(3, true)
			behind(4, false)
			changed(2) // it was told late
			behind(3, true)
		})
	}
}

// TestNamesAfterALoss: a name that changes under a lower number than before follows.
func TestNamesAfterALoss(t *testing.T) {
	v := newFixture(t).g.Revocations
	changed := func(seq int64) { v.Apply(registry.Change{Kind: registry.ChangeUserChanged, UserID: "u", Seq: seq}) }
	changed(60)
	if v.outdated("u", v.heard()) || !v.outdated("u", 59) {
		t.Error("before the loss")
	}
	v.Lost(registry.LostHistory{First: 50, Last: 60, Replaced: true})
	read := v.heard()
	changed(55)
	if !v.outdated("u", read) || v.outdated("u", v.heard()) {
		t.Error("after the loss")
	}
}
