package wire

import (
	"net/http/httptest"
	"testing"
)

// TestCameFrom: a form leads back to its page, and never to another host.
func TestCameFrom(t *testing.T) {
	const origin = "https://d.example"
	for _, c := range []struct{ method, target, referer, want string }{
		{"GET", "/orgs?x=1", origin + "/other", "/orgs?x=1"},
		{"HEAD", "/orgs?x=1", "", "/orgs?x=1"},
		{"POST", "/orgs", origin + "/orgs/new?x=1", "/orgs/new?x=1"},
		{"POST", "/orgs", "", "/"},
		{"POST", "/orgs", "https://d.example.evil.example/x", "/"},
		{"POST", "/orgs", "https://acme.d.example/x", "/"},
		{"POST", "/orgs", origin + "//evil.example/x", "/"},
		{"POST", "/orgs", origin, "/"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if c.referer != "" {
			r.Header.Set("Referer", c.referer)
		}
		if got := CameFrom(r, origin); got != c.want {
			t.Errorf("%s %s from %s: %q, want %q", c.method, c.target, c.referer, got, c.want)
		}
	}
}
