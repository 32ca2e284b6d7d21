package endtoend

import (
	"database/sql"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
)

// TestFullDisk: with no byte left on the disk, orgs and sessions go on, also over a restart; what would have to be written is refused and
// lost by nobody, and works again once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.stop()
	data := filepath.Join(s.dir, "data")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=64m,mode=0700"); err != nil {
		lacking(t, "mount", "a disk of its own needs root: "+err.Error())
	}
	t.Cleanup(func() { // before the directory is removed
		_, _ = s.cli("", "down")
		s.stop()
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ours.give(t, data)
	s.run()
	ada := s.admin()
	s.org(ada, "acme")
	bob := s.invite(ada, "acme", "bob@example.com", "member")
	ada.open(s.url("acme") + "/")
	bob.open(s.url("acme") + "/")
	ws, err := s.dial(bob, s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	s.eventually("the snapshot knows all that", func() bool { // it follows within a moment
		f := snapshot.Open(filepath.Join(data, "snapshot.db"))
		defer func() { _ = f.Close() }()
		known, err := f.Load(t.Context())
		return err == nil && known.Seq >= s.number("data/pizzeria.db", `SELECT seq FROM feed_head`)
	})
	filler := filepath.Join(data, "filler")
	fill := func() {
		t.Helper()
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for block := make([]byte, 1<<20); len(block) > 0; { // to the last byte
			if _, err := f.Write(block); err != nil {
				block = block[:len(block)/2]
			}
		}
	}
	served := func(when string) {
		t.Helper()
		for range 20 {
			for _, p := range []*person{ada, bob} {
				if a := p.fetch("GET", s.url("acme")+"/whoami", ""); a.status != http.StatusOK {
					t.Errorf("%s: %d %s", when, a.status, a.body)
				}
			}
		}
	}
	fill()
	served("with a full disk")
	if err := ws.Write(t.Context(), 1, []byte("x")); err != nil {
		t.Errorf("WebSocket: %v", err)
	}
	a := ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"nowhere"}`)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("a change with a full disk: %d %s", a.status, a.body)
	}
	if a := s.person().submit(s.url("")+"/sign-in", url.Values{"email": {"bob@example.com"}, "password": {password}}); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "Try again shortly") {
		t.Errorf("signing in with a full disk: %d %s", a.status, a.body)
	}
	s.stop()
	fill()
	s.run()
	served("started on a full disk")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.eventually("there is room again", func() bool {
		return ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"somewhere"}`).status == http.StatusCreated
	})
	s.active("somewhere")
	served("with room again")
	if out, err := s.cli("", "audit", "verify"); err != nil {
		t.Errorf("audit: %s", out)
	}
}

// number asks one of the server's database files for a number, -1 when it has none.
func (s *server) number(file, query string) (n int64) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, file)+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if db.QueryRow(query).Scan(&n) != nil {
		return -1
	}
	return n
}
