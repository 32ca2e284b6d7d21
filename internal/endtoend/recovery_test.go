package endtoend

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
)

var (
	sealedSecret = regexp.MustCompile(`name="sealed" value="([^"]+)"`)
	shownSecret  = regexp.MustCompile(`id="secret" value="([A-Z2-7]+)"`)
	choice       = regexp.MustCompile(`<input type="radio" name="([^"]+)" value="keep"`)
)

// addApp adds an authenticator app, as the page does.
func (p *person) addApp(name string) {
	p.s.t.Helper()
	page := p.open(p.s.url("") + "/account/second-step")
	secret, sealed := shownSecret.FindStringSubmatch(
		page.body,
	), sealedSecret.FindStringSubmatch(
		page.body,
	)
	if secret == nil || sealed == nil {
		p.s.t.Fatal(page.body)
	}
	code, err := totp.GenerateCode(secret[1], time.Now())
	if err != nil {
		p.s.t.Fatal(err)
	}
	a := p.submit(
		p.s.url("")+"/account/second-step",
		url.Values{
			"code":         {code},
			"name":         {name},
			"old_password": {password},
			"sealed":       {sealed[1]},
		},
	)
	if a.status != 200 {
		p.s.t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestRecoveryEndsTheft replays an attack: somebody with a stolen password leaves ways back, and the
// owner resets the password by mail.
func TestRecoveryEndsTheft(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	s := startWithMail(t, sink)
	ada := s.admin()
	s.org(ada, "acme")
	ada.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/invites",
		`{"email":"eve@example.com","role":"admin"}`,
	)
	_, link := s.mailed(sink, "eve@example.com", "ada@example.com invites you")
	eve := s.person()
	if a := eve.submit(link, url.Values{"name": {"Eve"}, "password": {password}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	signIn := func(p *person, password string) answer {
		t.Helper()
		return p.submit(
			s.url("")+"/sign-in",
			url.Values{
				"email":    {"eve@example.com"},
				"password": {password},
				"return":   {"/account"},
			},
		)
	}

	thief := s.person()
	if a := signIn(thief, password); a.url.Path != "/account" {
		t.Fatalf("%d at %s", a.status, a.url)
	}
	change := func() (confirm, stop string) {
		t.Helper()
		before := len(sink.Got())
		if a := thief.submit(
			s.url("")+"/account/email",
			url.Values{"old_password": {password}, "new_email": {"thief@example.org"}},
		); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		s.eventually(
			"both addresses are written to",
			func() bool { return len(sink.Got()) >= before+2 },
		)
		_, confirm = s.mailed(sink, "thief@example.org", "Your new address")
		text, stop := s.mailed(sink, "eve@example.com", "Your account is to get another address")
		if !strings.Contains(text, "thief@example.org") || !strings.Contains(text, "/forgot") ||
			!strings.Contains(stop, "/stop/") {
			t.Error(text)
		}
		return confirm, stop
	}

	// The old address stops the change, signed out and by a click, once.
	confirm, stop := change()
	anybody := s.person()
	if a := anybody.open(stop); a.status != 200 || !strings.Contains(a.body, "Stop the change") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := thief.open(confirm); a.status != 200 { // a look has stopped nothing
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := anybody.submit(
		stop,
		nil,
	); a.status != 200 ||
		!strings.Contains(a.body, "/forgot?email=eve") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := anybody.submit(stop, nil); a.status != 410 {
		t.Errorf("twice: %d", a.status)
	}
	if a := thief.submit(confirm, nil); a.status != 410 {
		t.Errorf("after it was stopped: %d", a.status)
	}

	// What the thief leaves behind.
	confirm, stop = change()
	key := thief.fetch(
		"POST",
		s.url("")+"/api/v1/me/keys",
		`{"name":"backdoor","scopes":["org:read"]}`,
	)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(key.body), &made); err != nil || key.status != 201 {
		t.Fatalf("%d %s", key.status, key.body)
	}
	org := thief.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/keys",
		`{"name":"org backdoor","role":"admin","scopes":["org:read"]}`,
	)
	if org.status != 201 {
		t.Fatalf("%d %s", org.status, org.body)
	}
	s.enroll(thief, "acme", "their-runner")
	thief.addApp("Their phone")
	if a := s.bearer(made.Secret).open(s.url("") + "/api/v1/orgs/acme"); a.status != 200 {
		t.Fatalf("the key: %d", a.status)
	}

	// The owner resets by mail: sessions, key and links end at once.
	s.person().submit(s.url("")+"/forgot", url.Values{"email": {"eve@example.com"}})
	_, link = s.mailed(sink, "eve@example.com", "A new password")
	const fresh = "another good sentence"
	if a := s.person().submit(link, url.Values{"password": {fresh}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := thief.submit(confirm, nil); a.status != 410 {
		t.Errorf("the change of address: %d", a.status)
	}
	if a := anybody.open(stop); a.status != 410 {
		t.Errorf("%d", a.status)
	}
	for name, p := range map[string]*person{"the thief": thief, "the owner's old session": eve} {
		if a := p.open(s.url("") + "/account"); a.url.Path != "/sign-in" {
			t.Errorf("%s is at %s", name, a.url)
		}
	}
	if a := s.bearer(made.Secret).open(s.url("") + "/api/v1/orgs/acme"); a.status != 401 {
		t.Errorf("the key: %d", a.status)
	}
	if a := signIn(thief, password); a.status != 403 {
		t.Errorf("the old password: %d", a.status)
	}

	// A second step is not the mailbox's to remove. A platform admin removes it.
	eve = s.person()
	if a := signIn(eve, fresh); !strings.Contains(a.body, "if the second step is not yours") {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.must("user", "remove-second-step", "eve@example.com")
	s.approveAll(ada, "acme") // whoever removed it could have signed in as eve

	// The review comes before everything else, an org included.
	a := signIn(eve, fresh)
	if a.url.Path != "/account/review" || !strings.Contains(a.body, "org backdoor") ||
		!strings.Contains(a.body, "their-runner") ||
		strings.Contains(a.body, "Their phone") {
		t.Fatalf("at %s: %s", a.url, a.body)
	}
	if a := eve.open(s.url("acme") + "/"); a.url.Path != "/account/review" {
		t.Errorf("the org: %d at %s", a.status, a.url)
	}
	if a := eve.fetch(
		"POST",
		s.url("")+"/api/v1/me/keys",
		`{"name":"k","scopes":["org:read"]}`,
	); a.status != 403 {
		t.Errorf("a key: %d %s", a.status, a.body)
	}
	decide := url.Values{"return": {"/orgs/acme"}}
	for _, m := range choice.FindAllStringSubmatch(a.body, -1) {
		decide.Set(m[1], "remove")
	}
	if a := eve.submit(
		s.url("")+"/account/review",
		decide,
	); a.status != 200 ||
		a.url.Path != "/orgs/acme" {
		t.Fatalf("%d at %s: %s", a.status, a.url, a.body)
	}
	if a := eve.fetch(
		"GET",
		s.url("")+"/api/v1/orgs/acme/keys",
		"",
	); a.status != 200 ||
		strings.Contains(a.body, "backdoor") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := eve.fetch(
		"GET",
		s.url("")+"/api/v1/orgs/acme/runners",
		"",
	); a.status != 200 ||
		strings.Contains(a.body, "their-runner") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := eve.open(s.url("acme") + "/"); a.status != 200 || a.url.Host != s.host("acme") {
		t.Errorf("%d at %s", a.status, a.url)
	}
	for kind, want := range map[string]float64{"mail": 1, "email_stopped": 1, "reviewed": 1, "admin": 0} {
		if sum, series := s.metric(
			"pizzeria_recoveries_total",
			`kind="`+kind+`"`,
		); sum != want ||
			series != 1 {
			t.Errorf("%s: %v in %d series", kind, sum, series)
		}
	}
}

// TestReviewInBrowser: the review, the page that stops a change of address, and those of an account
// whose address nobody verified.
func TestReviewInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	eve := s.invite(ada, "acme", "eve@example.com", "admin")
	s.must("user", "verify", "eve@example.com")
	eve.addApp("My phone")
	if a := eve.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/keys",
		`{"name":"Deployment","role":"admin","scopes":["org:read"]}`,
	); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.enroll(eve, "acme", strings.Repeat("a-long-name-", 5)+"of-a-runner")
	eve.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/invites",
		`{"email":"friend@example.com","role":"admin"}`,
	)
	const fresh = "another good sentence"
	link := strings.TrimSpace(s.must("user", "password-link", "eve@example.com"))
	s.person().submit(link, url.Values{"password": {fresh}})
	s.must("user", "remove-second-step", "eve@example.com")

	b := s.chromium()
	b.visit(s.url("") + "/account")
	b.fill(map[string]string{"email": "eve@example.com", "password": fresh})
	b.press("form.card button", "Review your account")
	b.shot("review")
	b.script(`document.querySelectorAll("input[value=keep]").forEach(e => e.click()); return ""`)
	b.script(`document.querySelector("input[value=remove]").click(); return ""`)
	b.press("main form > button", "Change password") // on to where she was going
	if keys := ada.fetch(
		"GET",
		s.url("")+"/api/v1/orgs/acme/keys",
		"",
	); strings.Contains(
		keys.body,
		"Deployment",
	) {
		t.Errorf("the key that she removed: %s", keys.body)
	}

	// Mia's account is older than the invitation into acme.
	s.invite(ada, "globex", "mia@example.com", "member")
	a := ada.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/invites",
		`{"email":"mia@example.com","role":"owner"}`,
	)
	var v struct{ Link string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b = b.other()
	b.signIn("mia@example.com")
	b.visit(v.Link)
	b.shows("This account is older than the invitation")
	b.shot("invitation-unverified")
	b.press("form.card button", "once your address is verified")
	b.shot("org-waiting")
	b = b.other()
	b.signIn("ada@example.com")
	b.visit(s.url("") + "/orgs/acme/members")
	b.shows("by an invitation into The globex org")
	b.shot("members-waiting")
	var mia struct{ ID string }
	if err := s.operator("/users/mia@example.com", &mia); err != nil {
		t.Fatal(err)
	}
	b.visit(s.url("") + "/platform/users/" + mia.ID)
	b.shot("user-unverified")
	b.press(`form[action$="/verify"] button`, ", verified")
	b.visit(s.url("") + "/orgs/acme/members")
	if text := b.text(); strings.Contains(text, "once the address is verified") {
		t.Error(text)
	}
}
