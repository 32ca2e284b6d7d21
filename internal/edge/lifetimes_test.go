package edge

import (
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// asks makes the org ask for shorter sessions, and signs in anew.
func (f *fixture) asks(l registry.Lifetimes) {
	f.Helper()
	if err := f.store.SetSessionLifetimes(f.Context(), registry.AsOperator(), f.org.ID, "", l); err != nil {
		f.Fatal(err)
	}
	f.newToken()
}

// browses makes the browser's cookie what the gateway set, and says whether it set one.
func (f *fixture) browses() (set bool) {
	f.Helper()
	cookie, _ := f.want(200)
	if cookie != "" {
		f.token = cookie
	}
	return cookie != ""
}

// TestOrgIdle: a session in use goes on however short the org's idle time is, and is over when it was
// not used for that long, also while the control plane is away.
func TestOrgIdle(t *testing.T) {
	f := newFixture(t)
	f.asks(registry.Lifetimes{Idle: 300})
	for range 40 { // used just in time: the last use counts, not the last renewal
		f.pass(2 * time.Minute)
		f.browses()
		f.pass(299 * time.Second)
		f.browses()
	}
	f.pass(300 * time.Second)
	f.want(401)

	f = newFixture(t)
	f.asks(registry.Lifetimes{Idle: 360})
	f.store.away.Store(true)
	f.pass(300 * time.Second)
	f.want(200)
	f.pass(300 * time.Second)
	f.want(200)
	f.pass(360 * time.Second)
	f.want(503)
}

// TestOrgLifetime: a session is over for an org that asks for that, to the second, whoever is away.
func TestOrgLifetime(t *testing.T) {
	for _, away := range []bool{false, true} {
		f := newFixture(t)
		f.asks(registry.Lifetimes{Absolute: 1800})
		for range 29 {
			f.pass(time.Minute)
			f.browses()
		}
		f.store.away.Store(away)
		f.pass(59 * time.Second)
		f.browses()
		f.pass(time.Second)
		f.want(401)
	}
}

// TestInstallationLifetimes: shorter ones count at once for what was issued before.
func TestInstallationLifetimes(t *testing.T) {
	f := newFixture(t)
	shorten := func(l registry.Lifetimes) {
		f.lives = l
		f.store.SetLifetimes(l)
	}
	f.pass(4 * time.Minute)
	f.want(200)
	shorten(registry.Lifetimes{Idle: 300, Absolute: 600})
	f.pass(4 * time.Minute)
	f.browses()
	f.pass(119 * time.Second)
	f.want(200)
	f.pass(time.Second)
	f.want(401)

	f = newFixture(t)
	f.pass(4 * time.Minute) // of a token that is not renewed before 5
	shorten(registry.Lifetimes{Idle: 180, Absolute: 600})
	f.want(401)
}

// TestStreamsEndWithTheSession: what is open ends when the session is over for the org, or for the
// installation since its lifetimes got shorter. Nobody's and a machine's go on.
func TestStreamsEndWithTheSession(t *testing.T) {
	f := newFixture(t)
	f.asks(registry.Lifetimes{Absolute: 1800})
	open := func(ends, began int64) *State {
		t.Helper()
		st := &State{Route: &registry.Route{OrgID: f.org.ID}, epoch: f.g.Revocations.epoch.Load()}
		st.Claims.SessionID, st.Claims.Ends, st.Claims.Began = "s", ends, began
		if err := f.g.register(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(st.End)
		return st
	}
	_, signedIn := f.want(200)
	person := open(signedIn.Claims.Ends, signedIn.Claims.Began)
	long := open(f.clock.Add(7*24*time.Hour).Unix(), f.clock.Unix())
	machine := open(0, 0)
	check := func(what string, want bool, st *State) {
		t.Helper()
		f.g.endOver()
		if st.Revoked() != want {
			t.Errorf("%s: ended %v", what, !want)
		}
	}
	f.pass(30*time.Minute - time.Second)
	check("before the end", false, person)
	f.pass(time.Second)
	check("at the end", true, person)
	check("another org's", false, long)
	f.lives.Absolute = 1800
	check("a shorter installation's", true, long)
	check("a machine's", false, machine)
}
