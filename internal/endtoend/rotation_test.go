package endtoend

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestKeyRotation: keys that are replaced again and again under load refuse nobody; an emergency ends what the
// old ones signed, and people are in again at the next page.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	every, rounds := scaled(t, "between rotations", 2*time.Second, 5*time.Second), scaled(t, "rotations", 4, 12)
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	cookie := ada.cookie(s.url("acme"), orgCookie)
	r := s.enroll(ada, "acme", "build-1")
	ws, err := s.dialOrg(ada, "acme", s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	var asked, failed atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	load := func(f func() string) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				if why := f(); why != "" {
					failed.Add(1)
					t.Error(why)
				}
			}
		})
	}
	whoami := func(p *person) string {
		if a := p.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 {
			return tail(a.body, 300)
		}
		return ""
	}
	for range 4 {
		load(func() string { return whoami(ada) })
	}
	load(func() string { // tokens made and used
		token, err := s.token(r, 0)
		if err != nil {
			return err.Error()
		}
		p := s.bearer(token)
		defer p.c.CloseIdleConnections()
		return whoami(p)
	})
	load(func() string { // signed in from the beginning
		p := s.person()
		defer p.c.CloseIdleConnections()
		p.c.Jar = ada.c.Jar
		if a := p.open(s.url("acme") + "/.pizzeria/session"); a.status != 200 {
			return tail(a.body, 300)
		}
		return ""
	})
	rotated := 0
	for ; rotated < rounds || asked.Load() < 100 && !t.Failed(); rotated++ {
		s.must("signing-key", "rotate", "--ahead", "1s")
		time.Sleep(every) // how often keys change is the point
	}
	close(stop)
	wg.Wait()
	keep(t, map[string]any{"rotations": rotated, "every_seconds": every.Seconds(), "requests": asked.Load(), "failed": failed.Load()})
	if err := servertest.Echo(ws); err != nil {
		t.Errorf("a WebSocket did not stay: %v", err)
	}

	// In an emergency nothing old is good, cached or not; a page brings people in again without a password.
	old := ada.cookie(s.url("acme"), orgCookie)
	s.must("signing-key", "rotate", "--emergency")
	s.eventually("a WebSocket of before ends", func() bool { return servertest.Echo(ws) != nil })
	for _, c := range []string{cookie, old} {
		if a := s.person().do("GET", s.url("acme")+"/whoami", nil, map[string]string{"Cookie": orgCookie + "=" + c, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}); a.status != 401 {
			t.Errorf("a session of before: %d", a.status)
		}
	}
	if a := ada.open(s.url("acme") + "/"); a.status != 200 || !strings.Contains(a.body, "ada@example.com") {
		t.Errorf("ada is not in again: %d at %s", a.status, a.url)
	}
	if why := whoami(ada); why != "" {
		t.Error(why)
	}
}
