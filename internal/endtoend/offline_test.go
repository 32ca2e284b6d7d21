package endtoend

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestColdStartWithoutTheStore: a gateway that starts while its store is unreadable, or not there, goes on from the snapshot:
// known orgs and valid sessions are served, what was revoked or suspended is refused, and what needs the control plane says so.
// When the store is back everything is, without another start.
func TestColdStartWithoutTheStore(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	for _, slug := range []string{"acme", "closed", "renamed"} {
		s.org(ada, slug)
	}
	bob := s.invite(ada, "acme", "bob@example.com", "member")
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	for _, p := range []*person{ada, bob, eve} {
		p.open(s.url("acme") + "/")
	}
	ada.open(s.url("closed") + "/")
	evil := eve.cookie(s.url("acme"), orgCookie)
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/closed/suspend", `{"reason":"unpaid"}`, 200, nil)
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/renamed/rename", `{"slug":"moved"}`, 200, nil)
	s.active("moved") // again: its instance restarts
	if a := eve.submit(s.url("acme")+"/.pizzeria/sign-out", url.Values{}); a.status != 200 {
		t.Fatalf("sign-out: %d %s", a.status, a.body)
	}
	db := filepath.Join(s.dir, "data/pizzeria.db")
	for name, harm := range map[string]func() error{
		"is not there":   func() error { return nil },
		"is unreadable":  func() error { return os.WriteFile(db, []byte(strings.Repeat("no database ", 1000)), 0o600) },
		"is a directory": func() error { return os.Mkdir(db, 0o700) },
	} {
		if !t.Run("the database "+name, func(t *testing.T) {
			s.stop()
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Rename(db+suffix, filepath.Join(s.dir, "away"+suffix)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			s.run()
			ws := withoutTheStore(t, s, bob, evil)
			if err := os.RemoveAll(db); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{"-wal", "-shm"} {
				_ = os.Remove(db + suffix)
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Rename(filepath.Join(s.dir, "away"+suffix), db+suffix); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			s.eventually("the store is back", func() bool { return ada.fetch("GET", s.url("")+"/api/v1/orgs/acme", "").status == 200 })
			if err := ws(); err != nil {
				t.Errorf("a WebSocket did not outlast the store's return: %v", err)
			}
			if a := bob.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 {
				t.Errorf("with the store back: %d %s", a.status, a.body)
			}
		}) {
			return
		}
	}
	s.org(ada, "afterwards") // the reconciler works again
	s.signedOutFor(t, bob, "acme")
}

// withoutTheStore looks at an installation whose store is away. What it returns tells whether a WebSocket that it opened still lives.
func withoutTheStore(t *testing.T, s *server, bob *person, revoked string) func() error {
	t.Helper()
	if a := bob.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 || !strings.Contains(a.body, "bob@example.com") {
		t.Errorf("known org, valid session: %d %s", a.status, a.body)
	}
	for target, want := range map[string]int{
		s.url("closed") + "/": 403, s.url("nosuch") + "/": 503, s.url("") + "/": 503, s.url("") + "/sign-in": 503,
		s.url("") + "/api/v1/orgs": 503, s.url("") + "/readyz": 200, s.url("") + "/healthz": 200,
	} {
		a := bob.open(target)
		if a.status != want || want == 503 && a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, want %d: %s %s", target, a.status, want, a.header, a.body)
		}
	}
	if a := s.person().open(s.url("acme") + "/"); a.status != 503 || !strings.Contains(a.body, "Try again shortly") {
		t.Errorf("signing in: %d %s", a.status, a.body)
	}
	if a := s.person().do("GET", s.url("renamed")+"/x", nil, map[string]string{"Accept": "application/json"}); a.url.Host != s.host("moved") || a.status != 401 {
		t.Errorf("a renamed org leads to %s: %d", a.url, a.status)
	}
	a := s.person().do("GET", s.url("acme")+"/whoami", nil, map[string]string{"Cookie": orgCookie + "=" + revoked, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"})
	if a.status != 401 {
		t.Errorf("a session that was revoked before: %d %s", a.status, a.body)
	}
	ws, err := s.dial(bob, s.url("acme"))
	if err != nil {
		t.Fatalf("WebSocket: %v", err)
	}
	return func() error {
		ctx := t.Context()
		if err := ws.Write(ctx, 1, []byte("still")); err != nil {
			return err
		}
		_, b, err := ws.Read(ctx)
		if err == nil && string(b) != "still" {
			err = fmt.Errorf("got %q", b)
		}
		return err
	}
}

// signedOutFor checks that a sign-out still ends what is open.
func (s *server) signedOutFor(t *testing.T, p *person, slug string) {
	t.Helper()
	ws, err := s.dial(p, s.url(slug))
	if err != nil {
		t.Fatal(err)
	}
	if a := p.submit(s.url(slug)+"/.pizzeria/sign-out", url.Values{}); a.status != 200 {
		t.Fatalf("sign-out: %d %s", a.status, a.body)
	}
	began := time.Now()
	if _, _, err := ws.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "4401") {
		t.Errorf("after the sign-out: %v", err)
	}
	t.Logf("closed after %s", time.Since(began))
}

// TestStartRefusedWithoutWorth: with neither a store nor a snapshot, and with a snapshot that is no file of ours, the start fails and says why.
func TestStartRefusedWithoutWorth(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.admin()
	s.stop()
	data := filepath.Join(s.dir, "data")
	if err := os.Remove(filepath.Join(data, "pizzeria.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "snapshot.db"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.cli("", "run"); err == nil || !strings.Contains(out, "put it back") {
		t.Errorf("got %v %s", err, tail(out, 2000))
	}
	if _, err := os.Stat(filepath.Join(data, "pizzeria.db")); err == nil {
		t.Error("a new, empty database was made in the place of the lost one")
	}
}
