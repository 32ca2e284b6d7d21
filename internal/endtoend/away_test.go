package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestControlPlaneAway: started without its store, the gateway serves the orgs of the registry and the sessions that were valid, with no
// failure and with no WebSocket lost, for longer than a session's token lives. What was revoked stays refused all the while.
func TestControlPlaneAway(t *testing.T) {
	t.Parallel()
	away := scale.Of(t, "without the store", 10*time.Second, 30*time.Minute)
	s := start(t)
	ada := s.admin()
	slugs := []string{"acme", "globex", "initech"}
	var people []*person
	for _, slug := range slugs {
		s.org(ada, slug)
		for i := range 3 {
			p := s.invite(ada, slug, fmt.Sprintf("p%d@%s.example", i, slug), "member")
			p.open(s.url(slug) + "/")
			people = append(people, p)
		}
	}
	out := s.invite(ada, "acme", "out@example.com", "member")
	out.open(s.url("acme") + "/")
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/members/out@example.com", "", 200, nil)

	s.stop()
	db := filepath.Join(s.dir, "data/pizzeria.db")
	if err := os.Rename(db, db+".away"); err != nil {
		t.Fatal(err)
	}
	s.run()

	var requests, echoes, failed, refused atomic.Int64
	end := time.Now().Add(away)
	var wg sync.WaitGroup
	for i, p := range people {
		slug := slugs[i/3]
		wg.Go(func() {
			for time.Now().Before(end) {
				a := p.fetch("GET", s.url(slug)+"/whoami", "")
				requests.Add(1)
				if a.status != http.StatusOK || !strings.Contains(a.body, `p`+fmt.Sprint(i%3)+"@"+slug+".example") {
					failed.Add(1)
					t.Errorf("%s: %d %s", slug, a.status, a.body)
				}
				time.Sleep(500 * time.Millisecond) // the pace of a person
			}
		})
		ws, err := s.dialOrg(p, slug, s.url(slug))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = ws.CloseNow() }()
			for time.Now().Before(end) {
				if err := ws.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
					t.Errorf("%s: WebSocket: %v", slug, err)
					return
				}
				if _, _, err := ws.Read(t.Context()); err != nil {
					t.Errorf("%s: WebSocket: %v", slug, err)
					return
				}
				echoes.Add(1)
				time.Sleep(time.Second) // the pace of a person
			}
		})
	}
	wg.Go(func() {
		for time.Now().Before(end) {
			if a := out.fetch("GET", s.url("acme")+"/whoami", ""); a.status == http.StatusOK {
				t.Errorf("who was removed is let in: %s", a.body)
			}
			refused.Add(1)
			time.Sleep(time.Second) // the pace of a person
		}
	})
	wg.Wait()
	if err := os.Rename(db+".away", db); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	s.eventually("the store is back", func() bool { return ada.fetch("GET", s.url("")+"/api/v1/orgs/acme", "").status == 200 })
	took := time.Since(back)
	for i, p := range people {
		if a := p.fetch("GET", s.url(slugs[i/3])+"/whoami", ""); a.status != http.StatusOK {
			t.Errorf("afterwards: %d %s", a.status, a.body)
		}
	}
	scale.Keep(t, map[string]any{
		"away_seconds": away.Seconds(), "sessions": len(people), "requests": requests.Load(), "failed": failed.Load(), "websockets": len(people), "echoes": echoes.Load(),
		"refused_of_a_removed_member": refused.Load(), "back_after_ms": took.Milliseconds(),
	})
}
