package flows

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestKeyRotation: keys that are replaced again and again under load refuse nobody; an emergency ends what the
// old ones signed, and people are in again at the next page.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	rounds := scale.Of(t, "rotations", 4, 12)
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	ada.Open(s.URL("acme") + "/")
	cookie := ada.Cookie(s.URL("acme"), servertest.OrgCookie)
	r := ada.Enroll(s.Person(), "acme", "build-1")
	ws, err := ada.Dial(s.URL("acme"), s.URL("acme"))
	if err != nil {
		t.Fatal(err)
	}
	var asked, failed atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	load := func(f func() string) {
		wg.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				asked.Add(1)
				if why := f(); why != "" {
					failed.Add(1)
					t.Error(why)
				}
			}
		})
	}
	whoami := func(p *servertest.Person) string {
		if a := p.Fetch("GET", s.URL("acme")+"/whoami", ""); a.Status != 200 {
			return a.Body
		}
		return ""
	}
	for range 4 {
		load(func() string { return whoami(ada) })
	}
	load(func() string { // tokens made and used
		token, err := r.AccessToken(s.Person().Client, 0)
		if err != nil {
			return err.Error()
		}
		p := s.Bearer(token)
		defer p.Client.CloseIdleConnections()
		return whoami(p)
	})
	load(func() string { // signed in from the beginning
		p := s.Person()
		defer p.Client.CloseIdleConnections()
		p.Client.Jar = ada.Client.Jar
		if a := p.Open(s.URL("acme") + "/.pizzeria/session"); a.Status != 200 {
			return a.Body
		}
		return ""
	})
	rotated := 0
	for ; rotated < rounds && !t.Failed(); rotated++ {
		// By the time that they sign, everybody has to have read them, on a busy machine too.
		s.Must("POST", "/signing-keys/rotate", `{"ahead_seconds":4}`)
		s.Eventually("the new keys sign", func() bool { return allSign(s) })
		before := asked.Load()
		s.Eventually("they are used", func() bool { return asked.Load() >= before+25 || t.Failed() })
	}
	close(stop)
	wg.Wait()
	scale.Keep(t, map[string]any{
		"rotations": rotated, "requests": asked.Load(), "failed": failed.Load(),
	})
	if err := servertest.Echo(ws); err != nil {
		t.Errorf("a WebSocket did not stay: %v", err)
	}

	// In an emergency nothing old is good, cached or not; a page brings people in again without a password.
	old := ada.Cookie(s.URL("acme"), servertest.OrgCookie)
	s.Must("POST", "/signing-keys/rotate", `{"emergency":true}`)
	s.Eventually("a WebSocket of before ends", func() bool { return servertest.Echo(ws) != nil })
	for _, c := range []string{cookie, old} {
		if a := s.Person().Do("GET", s.URL("acme")+"/whoami", nil, map[string]string{"Cookie": servertest.OrgCookie + "=" + c, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}); a.Status != 401 {
			t.Errorf("a session of before: %d", a.Status)
		}
	}
	if a := ada.Open(s.URL("acme") + "/"); a.Status != 200 || !strings.Contains(a.Body, "ada@example.com") {
		t.Errorf("ada is not in again: %d at %s", a.Status, a.URL)
	}
	if why := whoami(ada); why != "" {
		t.Error(why)
	}
}

// allSign reports whether every key that is there has begun to sign.
func allSign(s *servertest.Installation) bool {
	s.Helper()
	var page struct {
		Items []struct {
			SignsFrom time.Time `json:"signs_from"`
		}
	}
	s.Must("GET", "/signing-keys", "").Decode(s.TB, &page)
	for _, k := range page.Items {
		if time.Now().Before(k.SignsFrom) {
			return false
		}
	}
	return len(page.Items) > 0
}
