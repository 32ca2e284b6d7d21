package endtoend

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestOrgChangesUnderLoad: orgs are created, used, renamed, suspended, resumed and deleted beside others that are in use; those fail
// no request, get no other's answer, and lose no WebSocket. No change reloads Caddy.
func TestOrgChangesUnderLoad(t *testing.T) {
	t.Parallel()
	n := scale.Of(t, "orgs", 12, 1000)
	s := startWith(t, "", patient)
	ada := s.admin()
	steady := []string{"steady-a", "steady-b"}
	for _, slug := range steady {
		s.org(ada, slug)
	}
	l := s.startLoad(ada, false, steady...)
	api := s.url("") + "/api/v1/orgs"
	began := time.Now()
	var wg sync.WaitGroup
	next := make(chan int)
	for range 3 {
		p := s.person()
		p.c.Jar = ada.c.Jar
		p.c.Timeout = 2 * time.Minute
		wg.Go(func() {
			for i := range next {
				slug := fmt.Sprintf("churn-%d", i)
				want := func(method, path, body string, status int) {
					if a := p.fetch(method, api+path, body); a.status != status {
						t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
					}
				}
				// A request that is no page is held until the org is there.
				serves := func(slug string) {
					if a := p.fetch("GET", s.url(slug)+"/.pizzeria/session", ""); a.status != http.StatusUnauthorized {
						t.Errorf("%s: %d %s", slug, a.status, a.body)
					}
					if a := p.open(s.url(slug) + "/whoami"); a.status != http.StatusOK || !strings.Contains(a.body, `"org_slug":"`+strings.TrimSuffix(slug, "-new")) {
						t.Errorf("%s: %d %s", slug, a.status, a.body)
					}
				}
				// becomes: a change arrives at the gateway within moments, not before its answer.
				becomes := func(status int) {
					a := p.open(s.url(slug) + "/whoami")
					deadline := time.Now().Add(patience)
					for a.status != status && time.Now().Before(deadline) {
						time.Sleep(pace) // asking costs the server time that others wait for
						a = p.open(s.url(slug) + "/whoami")
					}
					if a.status != status {
						t.Errorf("%s: %d, want %d", slug, a.status, status)
					}
				}
				want("POST", "", `{"slug":"`+slug+`"}`, http.StatusCreated)
				serves(slug)
				switch i % 3 {
				case 0:
					want("POST", "/"+slug+"/rename", `{"slug":"`+slug+`-new"}`, http.StatusOK)
					slug += "-new"
					serves(slug)
				case 1:
					want("POST", "/"+slug+"/suspend", "", http.StatusOK)
					becomes(http.StatusForbidden)
				}
				want("DELETE", "/"+slug+"?now=true&confirm="+slug, "", http.StatusAccepted)
				becomes(http.StatusGone)
			}
		})
	}
	orgs := 0
	for ; orgs < n || !l.enough(); orgs++ {
		next <- orgs
	}
	close(next)
	wg.Wait()
	result := l.stop()
	result["orgs"], result["changes_seconds"] = orgs, int(time.Since(began).Seconds())
	scale.Keep(t, result)
}
