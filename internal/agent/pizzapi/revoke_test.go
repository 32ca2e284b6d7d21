package pizzapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestRevoke: keys and sessions of people end, also where the agent's own session is dead, and
// nobody gets an account by it.
func TestRevoke(t *testing.T) {
	f := newFixture(t)
	f.cookie(ada)
	their := f.b.accounts["ada-id@people.invalid"]
	for _, dead := range []bool{false, true} {
		f.cookie(ada)
		their.keys = []string{"k1", "k2", "k3"}
		if dead {
			f.b.sessions = map[string]string{}
		}
		if err := f.app.Revoke(t.Context(), []string{"ada-id", "nobody-id"}, []string{"no-runner"}); err != nil {
			t.Fatal(err)
		}
		if len(their.keys)+len(f.b.sessions) > 0 || len(f.b.accounts) != 1 {
			t.Errorf("left: %v %v %v", their.keys, f.b.sessions, f.b.accounts)
		}
	}
	// What does not end is told, for another try.
	for _, path := range []string{"/api/auth/api-key/list", "/api/auth/api-key/delete", "/api/auth/revoke-sessions", "/api/auth/sign-in/email"} {
		f.app.accounts.Purge()
		their.keys = []string{"k1"}
		f.b.fail = map[string]int{path: 500}
		if err := f.app.Revoke(t.Context(), []string{"ada-id"}, nil); err == nil || !strings.Contains(err.Error(), "ada-id") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestRevokeGoesOn: whose access ended needs no call when they are revoked again, until they are back.
func TestRevokeGoesOn(t *testing.T) {
	f := newFixture(t)
	f.cookie(ada)
	for _, sub := range []string{"ada-id", "nobody-id"} {
		revoke := func() (calls int) {
			t.Helper()
			before := len(f.b.calls)
			if err := f.app.Revoke(t.Context(), []string{sub}, nil); err != nil {
				t.Fatal(err)
			}
			return len(f.b.calls) - before
		}
		if first, again := revoke(), revoke(); first == 0 || again != 0 {
			t.Errorf("%s: %d calls, then %d", sub, first, again)
		}
		f.cookie(Person{Subject: sub})
		if revoke() == 0 || len(f.b.sessions) > 0 {
			t.Errorf("%s is back: %v", sub, f.b.sessions)
		}
	}
}

// TestRevokeIsNotLimited: PizzaPi counts requests by the network that they come from, so those that
// end things share none.
func TestRevokeIsNotLimited(t *testing.T) {
	f := newFixture(t)
	f.cookie(ada)
	their := f.b.accounts["ada-id@people.invalid"]
	for i := range 200 {
		their.keys = append(their.keys, fmt.Sprint(i))
	}
	before := len(f.b.from)
	if err := f.app.Revoke(t.Context(), []string{"ada-id"}, nil); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Prefix]bool{}
	from := f.b.from[before:]
	for _, address := range from {
		a, err := netip.ParseAddr(address)
		if err != nil || a.As16()[0] != 0xfd {
			t.Fatalf("%q %v", address, err)
		}
		seen[netip.PrefixFrom(a, 64).Masked()] = true
	}
	if len(from) < 200 || len(seen) != len(from) {
		t.Errorf("%d calls from %d networks", len(from), len(seen))
	}
}

// TestManyKeys: nobody gets more API keys than are deleted at once.
func TestManyKeys(t *testing.T) {
	f := newFixture(t)
	f.cookie(ada)
	their := f.b.accounts["ada-id@people.invalid"]
	for i := range maxKeys - 1 {
		their.keys = append(their.keys, fmt.Sprint(i))
	}
	if w, r := f.judged("POST", createPath, ada, nil); r == nil {
		t.Errorf("the last one: %d", w.Code)
	}
	their.keys = append(their.keys, "last")
	if w, r := f.judged("POST", createPath, ada, nil); r != nil || w.Code != http.StatusConflict {
		t.Errorf("one more: %d", w.Code)
	}
	f.b.fail = map[string]int{authPath + "/api-key/list": 500}
	if w, r := f.judged("POST", createPath, ada, nil); r != nil || w.Code != http.StatusBadGateway {
		t.Errorf("nobody knows how many: %d", w.Code)
	}
}

// TestRunners: each has a key in its owner's name, which ends with it or with the owner, also after a
// restart.
func TestRunners(t *testing.T) {
	f := newFixture(t)
	enroll := func(id, name string, life time.Duration) map[string]string {
		t.Helper()
		env, err := f.app.Enroll(t.Context(), Runner{ID: id, Name: name, Owner: ada, Expires: time.Now().Add(life)})
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	env := enroll("r1", strings.Repeat("ü", 50), 24*time.Hour)
	if env["PIZZAPI_RELAY_URL"] != "wss://acme.example:8443" || env["PIZZAPI_RUNNER_API_KEY"] != "secret of "+strings.Repeat("ü", 32) {
		t.Errorf("%v", env)
	}
	enroll("r2", "two", 366*24*time.Hour)
	their := f.b.accounts["ada-id@people.invalid"]
	for what, r := range map[string]Runner{
		"an hour": {ID: "r3", Owner: ada, Expires: time.Now().Add(time.Hour)},
		"nobody":  {ID: "r3", Expires: time.Now().Add(48 * time.Hour)},
	} {
		if _, err := f.app.Enroll(t.Context(), r); err == nil || len(their.keys) != 2 {
			t.Errorf("%s: %v %v", what, err, their.keys)
		}
	}
	client := f.app.client
	f.app = f.open()
	f.app.client = client
	for range 2 { // again does nothing
		if err := f.app.Revoke(t.Context(), nil, []string{"r1"}); err != nil || len(their.keys) != 1 || their.keys[0] != "two1" {
			t.Fatalf("%v %v", err, their.keys)
		}
	}
	enroll("r4", "four", 48*time.Hour)
	their.keys = their.keys[:1] // she deletes its key herself
	if err := f.app.Revoke(t.Context(), nil, []string{"r4"}); err != nil {
		t.Errorf("a key that is not there: %v", err)
	}
	if err := f.app.Revoke(t.Context(), []string{"ada-id"}, nil); err != nil || len(their.keys) > 0 {
		t.Errorf("%v %v", err, their.keys)
	}
	if _, known := f.app.runners.get("r2"); known {
		t.Error("a runner outlives its owner")
	}
}
