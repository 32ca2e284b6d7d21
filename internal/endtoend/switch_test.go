package endtoend

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestSwitchInBrowser: somebody who is signed in goes from org to org in a real browser, and sees no page between. It prints how long
// each took, from the first request to the page that is loaded: first visits, over five redirects and a new connection, and later ones.
func TestSwitchInBrowser(t *testing.T) {
	orgs := scale.Of(t, "orgs", 3, 20)
	s := start(t)
	ada := s.admin()
	slugs := make([]string, orgs)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("org%d", i)
		s.org(ada, slugs[i])
	}
	b := s.chromium()
	b.visit(s.url("") + "/sign-in")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "org0")
	visit := func(slug string) time.Duration {
		t.Helper()
		began := time.Now()
		b.visit(s.url(slug) + "/")
		took := time.Since(began)
		if at := b.location(); at != s.url(slug)+"/" {
			t.Fatalf("at %s", at)
		}
		b.shows("ada@example.com")
		return took
	}
	visit(slugs[0]) // the browser is warm
	var first, later []time.Duration
	for _, slug := range slugs[1:] {
		first = append(first, visit(slug))
	}
	for _, slug := range slugs {
		later = append(later, visit(slug))
	}
	at := func(list []time.Duration, q float64) float64 {
		slices.Sort(list)
		return float64(list[int(q*float64(len(list)-1))].Microseconds()) / 1000
	}
	scale.Keep(t, map[string]any{"orgs": orgs, "first_p50_ms": at(first, 0.5), "first_p95_ms": at(first, 0.95), "later_p50_ms": at(later, 0.5), "later_p95_ms": at(later, 0.95)})
	b.quiet()
}
