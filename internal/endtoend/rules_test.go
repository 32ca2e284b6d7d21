package endtoend

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// addTOTP gives somebody a second step, and returns what makes its codes.
func (p *person) addTOTP() func(time.Time) string {
	p.s.t.Helper()
	page := p.open(p.s.url("") + "/account/second-step").body
	p.addTOTPFrom(page)
	secret := between(p.s.t, page, `id="secret" value="`, `"`)
	return func(at time.Time) string {
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			p.s.t.Fatal(err)
		}
		return c
	}
}

// addTOTPFrom answers the page that adds an authenticator app.
func (p *person) addTOTPFrom(page string) answer {
	p.s.t.Helper()
	code, err := totp.GenerateCode(between(p.s.t, page, `id="secret" value="`, `"`), time.Now())
	if err != nil {
		p.s.t.Fatal(err)
	}
	sealed := html.UnescapeString(between(p.s.t, page, `name="sealed" value="`, `"`))
	a := p.submit(p.s.url("")+"/account/second-step", url.Values{"sealed": {sealed}, "name": {"Phone"}, "code": {code}, "old_password": {password}})
	if a.status != 200 || !strings.Contains(a.body, "Recovery codes") {
		p.s.t.Fatalf("%d %s", a.status, tail(a.body, 1500))
	}
	return a
}

// TestSecondStepRequired: an org that asks for a second step lets nobody in without, asks for it in time, and lets in at once who adds one.
func TestSecondStepRequired(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	eve, api := s.invite(ada, "acme", "eve@example.com", "member"), s.url("")+"/api/v1"
	if a := eve.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	ws, err := s.dialOrg(eve, "acme", s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	s.must("org", "second-step", "acme", "--required=true")
	s.eventually("a WebSocket of before ends", func() bool { return echo(ws) != nil })
	if a := eve.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 401 {
		t.Errorf("a session of before: %d", a.status)
	}
	if a := eve.fetch("GET", api+"/orgs/acme", ""); a.status != 401 || !strings.Contains(a.body, "second step") {
		t.Errorf("management: %d %s", a.status, a.body)
	}
	if a := eve.open(s.url("acme") + "/"); a.url.Path != "/account" || !strings.Contains(a.body, "requires two-factor authentication") {
		t.Errorf("%d at %s", a.status, a.url)
	}
	eve.addTOTP()
	if a := eve.open(s.url("acme") + "/"); a.status != 200 || !strings.HasPrefix(a.url.String(), s.url("acme")) {
		t.Errorf("with the second step that was just shown: %d at %s", a.status, a.url)
	}
	if a := eve.fetch("GET", api+"/orgs/acme", ""); a.status != 200 {
		t.Errorf("management: %d", a.status)
	}

	// Elsewhere, where a session of before has none, the person is asked for it on the way.
	bob := s.invite(ada, "acme", "bob@example.com", "member")
	again := s.person()
	again.submit(s.url("")+"/sign-in", url.Values{"email": {"bob@example.com"}, "password": {password}})
	code := bob.addTOTP()
	a := again.open(s.url("acme") + "/")
	if a.url.Path != "/sign-in" || !strings.Contains(a.body, "new sign-in") {
		t.Fatalf("%d at %s", a.status, a.url)
	}
	back := a.url.Query().Get("return")
	a = again.submit(s.url("")+"/sign-in", url.Values{"email": {"bob@example.com"}, "password": {password}, "return": {back}})
	second := regexp.MustCompile(`name="second" value="([^"]+)"`).FindStringSubmatch(a.body)
	if second == nil {
		t.Fatalf("%d at %s", a.status, a.url)
	}
	a = again.submit(s.url("")+"/sign-in/second", url.Values{"second": {second[1]}, "return": {"/account"}, "code": {code(time.Now().Add(30 * time.Second))}})
	if a.status != 200 || a.url.Path != "/account" {
		t.Errorf("%d at %s", a.status, a.url)
	}
	a = again.open(s.url("acme") + "/")
	if a.status != 200 || !strings.HasPrefix(a.url.String(), s.url("acme")) {
		t.Errorf("%d at %s", a.status, a.url)
	}
	s.must("org", "second-step", "acme", "--required=false")
}
