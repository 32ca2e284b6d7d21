package endtoend

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// TestSecondStepInBrowser: somebody adds an authenticator app, signs in with it and with a recovery code, and gets a platform admin's help.
func TestSecondStepInBrowser(t *testing.T) {
	t.Parallel()
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
	b.shows("Signing in takes your password and one of these")
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

// TestPasskeyInBrowser: somebody adds a passkey, signs in with it alone, and beside the password; the browser holds it.
func TestPasskeyInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "member")
	b := s.chromium()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}); err != nil {
		t.Fatal(err)
	}
	b.visit(s.url("") + "/account/passkey")
	b.shot("sign-in-passkey")
	b.fill(map[string]string{"email": "eve@example.com", "password": password})
	b.press("form.card button", "Add a passkey")
	b.shot("passkey")
	b.fill(map[string]string{"name": "Laptop", "old_password": password})
	b.press("form.card > button", "Recovery codes")
	b.visit(s.url("") + "/account/passkey")
	b.fill(map[string]string{"name": "Laptop again", "old_password": password})
	b.do(chromedp.Click("form.card > button"))
	b.shows("This passkey is there already")

	out := func() {
		t.Helper()
		b.visit(s.url("") + "/end-session")
		b.press("form.card button", "You are signed out")
	}
	out()
	b.visit(s.url("acme") + "/")
	b.shows("Sign in to The acme org")
	b.press("form[action='/sign-in/passkey'] button", "eve@example.com")
	if at := b.location(); !strings.HasPrefix(at, s.url("acme")) {
		t.Errorf("at %s", at)
	}
	out()
	b.visit(s.url("") + "/account")
	b.fill(map[string]string{"email": "eve@example.com", "password": password})
	b.press("form.card button", "Use a passkey")
	b.shot("second-passkey")
	b.press("form[data-passkey] button", "Signing in takes your password and one of these")
	b.shot("account-passkey")

	// An org's page is below the same host, and gets no passkey's answer that counts.
	out()
	b.visit(s.url("") + "/sign-in")
	options := b.script(`return document.querySelector("form[data-passkey]").dataset.passkey`)
	sealed := b.script(`return document.querySelector("form[data-passkey] [name=sealed]").value`)
	b.visit(s.url("acme") + "/.pizzeria/nothing")
	got := b.script(`const o = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(` + strconv.Quote(options) + `).publicKey)
		return JSON.stringify((await navigator.credentials.get({ publicKey: o })).toJSON())`)
	if !strings.Contains(got, "clientDataJSON") {
		t.Fatalf("the org's page got %s: then this shows nothing", got)
	}
	if a := s.person().submit(s.url("")+"/sign-in/passkey", url.Values{"sealed": {sealed}, "response": {got}, "return": {"/"}}); a.status != 403 {
		t.Errorf("an answer that an org's page got signs in: %d at %s", a.status, a.url)
	}
}
