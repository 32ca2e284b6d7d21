package endtoend

import (
	"strings"
	"testing"
)

// TestSignOutPage: signing out at the sample instance, whose policy lets forms lead nowhere else,
// shows that it worked, and how to come back.
func TestSignOutPage(t *testing.T) {
	t.Parallel()
	s, _ := shared(t)
	b := s.chromium()
	b.signIn("ada@example.com")
	b.visit(s.url("acme") + "/")
	b.shows("Ada Admin")
	b.press(`form[action$="/sign-out"] button`, "You are signed out")
	if got := b.location(); !strings.HasPrefix(got, s.url("acme")+"/") {
		t.Errorf("the page is at %s", got)
	}
	b.shot("gateway-signed-out")
	b.press(`a[href*="/sign-in"]`, "Sign in to The acme org")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "Ada Admin")

	if got := b.script(`return (await fetch("/.pizzeria/sign-out", {method: "POST"})).status`); got != "204" {
		t.Errorf("a script's sign-out: %s", got)
	}
	b.visit(s.url("acme") + "/")
	b.shows("Sign in to The acme org")
	b.quiet()
}
