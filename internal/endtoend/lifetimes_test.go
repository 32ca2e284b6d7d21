package endtoend

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestLifetimesReload: a reload shortens sessions of before, and what orgs may ask for.
func TestLifetimesReload(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.admin()
	s.org(p, "acme")
	life := func() time.Duration {
		t.Helper()
		out, err := s.cli("", "user", "sessions", "ada@example.com", "-o", "json")
		if err != nil {
			t.Fatal(err, out)
		}
		var page struct {
			Items []struct {
				Created time.Time `json:"created_at"`
				Expires time.Time `json:"expires_at"`
			} `json:"items"`
		}
		if err := json.Unmarshal([]byte(out), &page); err != nil || len(page.Items) == 0 {
			t.Fatal(err, out)
		}
		return page.Items[0].Expires.Sub(page.Items[0].Created)
	}
	if d := life(); d != 7*24*time.Hour {
		t.Errorf("a session lasts %s", d)
	}
	asks := func() (string, error) { return s.cli("", "org", "session-lifetimes", "acme", "--lifetime", "2h") }
	if out, err := asks(); err != nil {
		t.Fatal(err, out)
	}
	if out, err := s.reload(s.caddyfile("session_lifetime 1h", 1)); err != nil {
		t.Fatal(err, out)
	}
	if d := life(); d != time.Hour {
		t.Errorf("after the reload it lasts %s", d)
	}
	if out, err := s.cli("", "org", "session-lifetimes", "acme", "--lifetime", "3h"); err == nil || !strings.Contains(out, "at most 1 hour here") {
		t.Errorf("an org asks for more: %v %s", err, out)
	}
	if out, err := s.reload(s.caddyfile("", 1)); err != nil {
		t.Fatal(err, out)
	}
	if d := life(); d != 7*24*time.Hour {
		t.Errorf("after another reload it lasts %s", d)
	}
}
