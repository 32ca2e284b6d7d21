package console_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
)

// TestHoldsSecret: one-time links stay out of access logs, also as the page to return to, and
// nobody hides other requests that way.
func TestHoldsSecret(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]bool{
		"GET /invite/x": true, "POST /reset/x": true, "GET /setup/x": true, "GET /verify/x": true,
		"GET /stop/x":                                         true,
		"GET /sign-in?return=/invite/x":                       true,
		"GET /sign-in?return=%2Fverify%2Fx&again=1":           true,
		"HEAD /sign-in/company?return=/invite/x":              true,
		"GET /sign-in/company?return=/sign-in?return=/stop/x": true,
		"GET /invite":                     false,
		"GET /sign-in":                    false,
		"GET /sign-in?return=/orgs/acme":  false,
		"GET /sign-in?return=%zz":         false,
		"POST /sign-in?return=/invite/x":  false,
		"GET /orgs/acme?return=/invite/x": false,
		"GET /sign-inn?return=/invite/x":  false,
		"GET /account?return=/sign-in":    false,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got := console.HoldsSecret(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}

// TestReferrerOfOneTimeLinks: what a page with a secret address loads does not name that address.
func TestReferrerOfOneTimeLinks(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	for path, want := range map[string]string{
		"/reset/unknown": "strict-origin", "/sign-in?return=/invite/x": "strict-origin",
		"/sign-in": "same-origin",
	} {
		if got := s.Nobody().Do("GET", path, "").Header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
