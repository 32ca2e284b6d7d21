package flows

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

var choice = regexp.MustCompile(`<input type="radio" name="([^"]+)" value="keep"`)

// TestRecoveryEndsTheft replays an attack: somebody with a stolen password leaves ways back, and the
// owner resets the password by mail.
func TestRecoveryEndsTheft(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	s := servertest.Start(t, withMail(sink))
	ada := s.Admin()
	s.Org(ada, "acme")
	ada.Fetch(
		"POST",
		s.URL("")+"/api/v1/orgs/acme/invites",
		`{"email":"eve@example.com","role":"admin"}`,
	)
	_, link := mailed(s, sink, "eve@example.com", "ada@example.com invites you")
	eve := s.Person()
	if a := eve.Submit(link, url.Values{"name": {"Eve"}, "password": {servertest.Password}}); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	signIn := func(p *servertest.Person, password string) servertest.Answer {
		t.Helper()
		return p.Submit(
			s.URL("")+"/sign-in",
			url.Values{
				"email":    {"eve@example.com"},
				"password": {password},
				"return":   {"/account"},
			},
		)
	}

	thief := s.Person()
	if a := signIn(thief, servertest.Password); a.URL.Path != "/account" {
		t.Fatalf("%d at %s", a.Status, a.URL)
	}
	change := func() (confirm, stop string) {
		t.Helper()
		before := len(sink.Got())
		if a := thief.Submit(
			s.URL("")+"/account/email",
			url.Values{"old_password": {servertest.Password}, "new_email": {"thief@example.org"}},
		); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		s.Eventually(
			"both addresses are written to",
			func() bool { return len(sink.Got()) >= before+2 },
		)
		_, confirm = mailed(s, sink, "thief@example.org", "Your new address")
		text, stop := mailed(s, sink, "eve@example.com", "Your account is to get another address")
		if !strings.Contains(text, "thief@example.org") || !strings.Contains(text, "/forgot") ||
			!strings.Contains(stop, "/stop/") {
			t.Error(text)
		}
		return confirm, stop
	}

	// The old address stops the change, signed out and by a click, once.
	confirm, stop := change()
	anybody := s.Person()
	if a := anybody.Open(stop); a.Status != 200 || !strings.Contains(a.Body, "Stop the change") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := thief.Open(confirm); a.Status != 200 { // a look has stopped nothing
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := anybody.Submit(
		stop,
		nil,
	); a.Status != 200 ||
		!strings.Contains(a.Body, "/forgot?email=eve") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := anybody.Submit(stop, nil); a.Status != 410 {
		t.Errorf("twice: %d", a.Status)
	}
	if a := thief.Submit(confirm, nil); a.Status != 410 {
		t.Errorf("after it was stopped: %d", a.Status)
	}

	// What the thief leaves behind.
	confirm, stop = change()
	key := thief.Fetch(
		"POST",
		s.URL("")+"/api/v1/me/keys",
		`{"name":"backdoor","scopes":["org:read"]}`,
	)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(key.Body), &made); err != nil || key.Status != 201 {
		t.Fatalf("%d %s", key.Status, key.Body)
	}
	org := thief.Fetch(
		"POST",
		s.URL("")+"/api/v1/orgs/acme/keys",
		`{"name":"org backdoor","role":"admin","scopes":["org:read"]}`,
	)
	if org.Status != 201 {
		t.Fatalf("%d %s", org.Status, org.Body)
	}
	thief.Enroll(s.Person(), "acme", "their-runner")
	thief.AddApp("Their phone")
	if a := s.Bearer(made.Secret).Open(s.URL("") + "/api/v1/orgs/acme"); a.Status != 200 {
		t.Fatalf("the key: %d", a.Status)
	}

	// The owner resets by mail: sessions, key and links end at once.
	s.Person().Submit(s.URL("")+"/forgot", url.Values{"email": {"eve@example.com"}})
	_, link = mailed(s, sink, "eve@example.com", "A new password")
	const fresh = "another good sentence"
	if a := s.Person().Submit(link, url.Values{"password": {fresh}}); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := thief.Submit(confirm, nil); a.Status != 410 {
		t.Errorf("the change of address: %d", a.Status)
	}
	if a := anybody.Open(stop); a.Status != 410 {
		t.Errorf("%d", a.Status)
	}
	for name, p := range map[string]*servertest.Person{"the thief": thief, "the owner's old session": eve} {
		if a := p.Open(s.URL("") + "/account"); a.URL.Path != "/sign-in" {
			t.Errorf("%s is at %s", name, a.URL)
		}
	}
	if a := s.Bearer(made.Secret).Open(s.URL("") + "/api/v1/orgs/acme"); a.Status != 401 {
		t.Errorf("the key: %d", a.Status)
	}
	if a := signIn(thief, servertest.Password); a.Status != 403 {
		t.Errorf("the old password: %d", a.Status)
	}

	// A second step is not the mailbox's to remove. A platform admin removes it.
	eve = s.Person()
	if a := signIn(eve, fresh); !strings.Contains(a.Body, "if the second step is not yours") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	s.Must("DELETE", "/users/eve@example.com/second-step", "")
	approveAll(ada, "acme") // whoever removed it could have signed in as eve

	// The review comes before everything else, an org included.
	a := signIn(eve, fresh)
	if a.URL.Path != "/account/review" || !strings.Contains(a.Body, "org backdoor") ||
		!strings.Contains(a.Body, "their-runner") ||
		strings.Contains(a.Body, "Their phone") {
		t.Fatalf("at %s: %s", a.URL, a.Body)
	}
	if a := eve.Open(s.URL("acme") + "/"); a.URL.Path != "/account/review" {
		t.Errorf("the org: %d at %s", a.Status, a.URL)
	}
	if a := eve.Fetch(
		"POST",
		s.URL("")+"/api/v1/me/keys",
		`{"name":"k","scopes":["org:read"]}`,
	); a.Status != 403 {
		t.Errorf("a key: %d %s", a.Status, a.Body)
	}
	decide := url.Values{"return": {"/orgs/acme"}}
	for _, m := range choice.FindAllStringSubmatch(a.Body, -1) {
		decide.Set(m[1], "remove")
	}
	if a := eve.Submit(
		s.URL("")+"/account/review",
		decide,
	); a.Status != 200 ||
		a.URL.Path != "/orgs/acme" {
		t.Fatalf("%d at %s: %s", a.Status, a.URL, a.Body)
	}
	if a := eve.Fetch(
		"GET",
		s.URL("")+"/api/v1/orgs/acme/keys",
		"",
	); a.Status != 200 ||
		strings.Contains(a.Body, "backdoor") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := eve.Fetch(
		"GET",
		s.URL("")+"/api/v1/orgs/acme/runners",
		"",
	); a.Status != 200 ||
		strings.Contains(a.Body, "their-runner") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := eve.Open(s.URL("acme") + "/"); a.Status != 200 || !strings.HasPrefix(a.URL.String(), s.URL("acme")+"/") {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	for kind, want := range map[string]float64{"mail": 1, "email_stopped": 1, "reviewed": 1, "admin": 0} {
		sum, series := s.Metric("pizzeria_recoveries_total", map[string]string{"kind": kind})
		if sum != want || series != 1 {
			t.Errorf("%s: %v in %d series", kind, sum, series)
		}
	}
}
