package edge

import (
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// tell applies what the feed says since a change, as the follower does.
func (f *fixture) tell(after int64) int64 {
	f.Helper()
	changes, err := f.store.Changes(f.Context(), registry.AsSystem("test"), after, 1000)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range changes {
		f.g.Revocations.Apply(c)
		after = c.Seq
	}
	return after
}

// newToken makes the session one of now.
func (f *fixture) newToken() {
	f.Helper()
	g, err := f.store.Store.Grant(f.Context(), registry.AsSystem("test"), f.login.Session.ID, f.org.ID)
	if err == nil {
		f.token, err = f.ids.SessionToken(g)
	}
	if err != nil {
		f.Fatal(err)
	}
}

// as is somebody who signed in just now.
func (f *fixture) as(u registry.User) registry.Actor {
	return registry.AsSession(u, registry.Session{AuthTime: f.clock}, "")
}

func (f *fixture) join(email string, role registry.Role) registry.Actor {
	f.Helper()
	u, err := f.ids.CreateUser(f.Context(), registry.AsOperator(), registry.NewUser{Email: email, Name: email}, "correct horse battery")
	if err != nil {
		f.Fatal(err)
	}
	secret := token.NewSecret()
	if _, err := f.store.CreateInvite(f.Context(), f.as(f.login.User), f.org.ID, email, role, secret.Hash()); err != nil {
		f.Fatal(err)
	}
	a := f.as(u)
	if _, err := f.store.AcceptInvite(f.Context(), a, secret.Hash()); err != nil {
		f.Fatal(err)
	}
	return a
}

// TestClockSetBack: what a change has made doubtful stays so, whatever the clock says: a token is
// compared with the change by number. That holds for every kind of change, with the store there and
// away, in the process that heard of it and in one that starts after it.
func TestClockSetBack(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"back": -5 * time.Second, "far back": -20 * time.Second, "not at all": 0, "on": 5 * time.Second,
	} {
		for what, c := range map[string]struct {
			change func(f *fixture, owner registry.Actor) error
			there  int // the store is
		}{
			"removed": {func(f *fixture, owner registry.Actor) error {
				_, err := f.store.RemoveMember(f.Context(), owner, f.org.ID, f.login.User.ID, registry.MemberRemoval{})
				return err
			}, 403},
			"removed and back": {func(f *fixture, owner registry.Actor) error {
				if _, err := f.store.RemoveMember(f.Context(), owner, f.org.ID, f.login.User.ID, registry.MemberRemoval{}); err != nil {
					return err
				}
				secret := token.NewSecret()
				if _, err := f.store.CreateInvite(f.Context(), owner, f.org.ID, f.login.User.Email, registry.RoleMember, secret.Hash()); err != nil {
					return err
				}
				_, err := f.store.AcceptInvite(f.Context(), registry.AsUser(f.login.User, "", ""), secret.Hash())
				return err
			}, 200},
			"another role": {func(f *fixture, owner registry.Actor) error {
				return f.store.SetRole(f.Context(), owner, f.org.ID, f.login.User.ID, registry.RoleMember)
			}, 200},
			"the org asks for more": {func(f *fixture, _ registry.Actor) error {
				return f.store.RequireSecondStep(f.Context(), registry.AsOperator(), f.org.ID, "", true)
			}, 401},
		} {
			t.Run(what+", clock "+name, func(t *testing.T) {
				f := newFixture(t)
				f.pass(time.Minute) // the clock was right when the keys were made
				f.newToken()
				owner := f.join("bob@example.com", registry.RoleOwner)
				seq := f.tell(0)
				if _, st := f.want(200); st.Claims.Role != registry.RoleOwner {
					t.Fatal(st.Claims.Role)
				}
				f.clock = f.clock.Add(step)
				f.contact = f.clock
				if err := c.change(f, owner); err != nil {
					t.Fatal(err)
				}
				f.tell(seq)
				f.store.away.Store(true)
				f.want(503) // what is in doubt is refused
				f.store.away.Store(false)
				if _, st := f.want(c.there); c.there == 200 && st.Claims.Role != registry.RoleMember {
					t.Errorf("the old role %s", st.Claims.Role)
				}
				// Another gateway, or this one after a restart.
				old := f.g.Revocations
				f.g.Revocations = newRevocations(f.g.Now, f.g.Streams)
				f.g.sessions.Purge()
				f.tell(0)
				f.store.away.Store(true)
				f.want(503)
				f.g.Revocations = old
			})
		}
	}
}

// TestGapWithClockSetBack: after a gap in the feed every session is read again, by whatever clock it
// was issued, and then once.
func TestGapWithClockSetBack(t *testing.T) {
	f := newFixture(t)
	f.pass(time.Minute)
	f.newToken()
	f.want(200)
	f.clock = f.clock.Add(-20 * time.Second)
	f.contact = f.clock
	f.g.Revocations.Reset()
	f.store.away.Store(true)
	f.want(503)
	f.store.away.Store(false)
	f.pass(renewPause + time.Second)
	cookie, _ := f.want(200)
	if cookie == "" {
		t.Fatal("a session from before the gap is believed")
	}
	f.token = cookie
	asked := f.store.grants.Load()
	for range 10 {
		f.want(200)
	}
	if n := f.store.grants.Load() - asked; n != 0 {
		t.Errorf("what was just read is read %d times more", n)
	}
	f.g.Revocations.Reset()
	if cookie, _ := f.want(200); cookie == "" {
		t.Error("it is believed after the next gap")
	}
}
