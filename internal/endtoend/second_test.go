package endtoend

import (
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// TestSecondStepInBrowser: somebody adds an authenticator app, signs in with it and with a recovery code, and gets a platform admin's help.
func TestSecondStepInBrowser(t *testing.T) {
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "member")
	b := s.chromium()
	signIn := func(to, then string) {
		t.Helper()
		b.visit(to)
		b.fill(map[string]string{"email": "eve@example.com", "password": password})
		b.press("form.card button", then)
	}
	signIn(s.url("")+"/account/second-step", "Add an authenticator app")
	b.shot("second-step")
	secret := b.script(`return document.querySelector(".copied input").value`)
	code := func(at time.Time) string {
		t.Helper()
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sealed := b.script(`return document.querySelector("input[name=sealed]").value`)
	if secret == "" || strings.Contains(sealed, secret) {
		t.Fatalf("%q %q", secret, sealed)
	}
	b.fill(map[string]string{"code": code(time.Now()), "name": "Phone", "old_password": password})
	b.press("form.card > button", "Recovery codes")
	b.shot("recovery-codes")
	recovery := strings.Fields(b.script(`return document.querySelector("pre").textContent`))
	if len(recovery) != 10 {
		t.Fatal(recovery)
	}
	b.visit(s.url("") + "/account")
	b.shows("Signing in takes your password and a code")
	b.shot("account-second-step")

	// The password alone leads to the second step, on the way to an org, too.
	n := b.other()
	b = n
	signIn(s.url("acme")+"/", "Code of your authenticator app")
	b.shot("second")
	b.fill(map[string]string{"code": "000000"})
	b.press("form.card button", "this code is wrong")
	b.visit(s.url("") + "/account")
	b.shows("Sign in") // not signed in half-way
	signIn(s.url("acme")+"/", "Code of your authenticator app")
	b.fill(map[string]string{"code": code(time.Now().Add(30 * time.Second))}) // the one that was shown is used
	b.press("form.card button", "acme")
	if at := b.location(); !strings.HasPrefix(at, s.url("acme")) {
		t.Errorf("at %s", at)
	}
	b = b.other()
	signIn(s.url("")+"/account", "Code of your authenticator app")
	b.fill(map[string]string{"code": strings.ToLower(recovery[3])})
	b.press("form.card button", "Second step")

	s.must("user", "remove-second-step", "eve@example.com")
	b = b.other()
	signIn(s.url("")+"/account", "a stolen password alone lets nobody in")
}
