package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/wire"
)

// deepLinks are addresses that a page to sign in leads to: with the longest state that an org's
// gateway sends, and fragments that look like something else.
func deepLinks() []string {
	long := "/authorize?client_id=x&state=" + strings.Repeat("s", wire.MaxPath*4/3+200) + "&x=1"
	return []string{
		"/orgs/acme#members", "/authorize?client_id=x#/notes//1/../2", long,
		long + "#" + strings.Repeat("f", wire.MaxFragment),
	}
}

// TestSignInKeepsDeepLink: every way to sign in leads to the whole address, with its fragment.
func TestSignInKeepsDeepLink(t *testing.T) {
	s := controltest.New(t)
	p := startProvider(t, s, "mia@corp.example")
	connection := connect(t, s, p, "")
	u := s.User("ada@example.com", false)
	with := s.User("bob@example.com", false)
	secret := addAuthenticator(t, s, with.Email)
	leadsTo := func(way, to string, a controltest.Answer) {
		t.Helper()
		if got := a.Header.Get("Location"); a.Status != http.StatusSeeOther || got != to {
			t.Errorf("%s: %d, to %.80q of %d bytes, want %.80q of %d",
				way, a.Status, got, len(got), to, len(to))
		}
	}
	for _, to := range deepLinks() {
		b := newBrowser(t, s)
		password := url.Values{"email": {u.Email}, "password": {"wrong"}, "return": {to}}
		again := b.do("POST", "/sign-in", password)
		if strings.Count(again.Body, `value="`+html.EscapeString(to)+`"`) < 2 {
			t.Errorf("a wrong password: %.80q is lost", to)
		}
		password.Set("password", controltest.Password)
		leadsTo("password", to, b.do("POST", "/sign-in", password))
		leadsTo("signed in already", to, b.get("/sign-in?"+url.Values{"return": {to}}.Encode()))

		b = newBrowser(t, s)
		password.Set("email", with.Email)
		a := b.do("POST", "/sign-in", password)
		second := url.Values{
			"second": {valueOf(a.Body, "second")}, "return": {valueOf(a.Body, "return")},
		}
		s.Clock.Advance(time.Minute) // a code works once
		code, err := totp.GenerateCode(secret, s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		second.Set("code", code)
		leadsTo("second factor", to, b.do("POST", "/sign-in/second", second))

		b = newBrowser(t, s)
		begun := b.do("POST", "/sign-in/with/"+connection, url.Values{"return": {to}})
		for _, c := range begun.Header.Values("Set-Cookie") {
			if pair, _, _ := strings.Cut(c, ";"); len(pair) > 4096 {
				t.Errorf("a browser refuses a cookie of %d bytes", len(pair))
			}
		}
		leadsTo("provider", to, b.get(p.callback(t, begun)))
		for name := range b.jar {
			if strings.Contains(name, "external") {
				t.Errorf("%s is left", name)
			}
		}
	}
}

// TestShorterAttempt: a sign-in at a provider that leads somewhere near takes the place of one that
// led far.
func TestShorterAttempt(t *testing.T) {
	s := controltest.New(t)
	p := startProvider(t, s, "mia@corp.example")
	id, b := connect(t, s, p, ""), newBrowser(t, s)
	b.do("POST", "/sign-in/with/"+id, url.Values{"return": {deepLinks()[2]}})
	a := b.get(p.callback(t, b.do("POST", "/sign-in/with/"+id, url.Values{"return": {"/account"}})))
	if a.Header.Get("Location") != "/account" {
		t.Errorf("%d %s", a.Status, a.Header.Get("Location"))
	}
}

// TestFragmentsAreJudged: what is no fragment goes, and what it was for stays.
func TestFragmentsAreJudged(t *testing.T) {
	s := controltest.New(t)
	u := s.User("ada@example.com", false)
	for _, bad := range []string{
		"100%", "a\r\nX-Y: z", "\u00e9", strings.Repeat("f", wire.MaxFragment+1),
	} {
		a := newBrowser(t, s).do("POST", "/sign-in", url.Values{
			"email": {u.Email}, "password": {controltest.Password}, "return": {"/account#" + bad},
		})
		if got := a.Header.Get("Location"); got != "/account" {
			t.Errorf("%.20q leads to %.40q", bad, got)
		}
	}
}

// valueOf is the value of a page's field.
func valueOf(page, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// addAuthenticator gives an account an authenticator app by the pages, and returns its secret.
func addAuthenticator(t *testing.T, s *controltest.Server, email string) string {
	t.Helper()
	b := newBrowser(t, s)
	b.signIn(email)
	page := b.get("/account/second-step").Body
	secret := regexp.MustCompile(`value="([A-Z2-7]{16,})"`).FindStringSubmatch(page)[1]
	code, err := totp.GenerateCode(secret, s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	a := b.do("POST", "/account/second-step", url.Values{
		"sealed": {valueOf(page, "sealed")}, "code": {code}, "name": {"Phone"},
		"old_password": {controltest.Password},
	})
	if a.Status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return secret
}
