package endtoend

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
)

var mailedLink = regexp.MustCompile(`https://\S+/(invite|verify|reset|stop)/\S+`)

// mailed waits for a message to an address and returns it with its link.
func (s *server) mailed(sink *mailtest.Sink, to, subject string) (text, link string) {
	s.t.Helper()
	s.eventually("a message with the subject "+subject+" is sent to "+to, func() bool { text = sink.To(to); return strings.Contains(text, "Subject: "+subject) })
	return text, strings.TrimSpace(mailedLink.FindString(text))
}

func startWithMail(t *testing.T, sink *mailtest.Sink, more ...string) *server {
	t.Helper()
	return startWith(t, strings.Join(more, "\n")+fmt.Sprintf("\nmail %s {\n from \"Pizzeria <no-reply@pizzapi.localhost>\"\n username %s\n password {env.SMTP_PASSWORD}\n ca_file %s\n}", sink.Address, mailtest.Username, sink.CAFile), "org_gateway", "SMTP_PASSWORD="+mailtest.Password)
}

// TestMail: invitations, verification, new passwords and changes of address, by a real SMTP server with TLS and a password.
func TestMail(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	s := startWithMail(t, sink)
	ada := s.admin()
	s.org(ada, "acme")

	// The link of an invitation goes to its address and nowhere else, and who follows it has a verified address.
	a := ada.fetch("POST", s.url("")+"/api/v1/orgs/acme/invites", `{"email":"eve@example.com","role":"member"}`)
	if a.status != 201 || strings.Contains(a.body, "/invite/") || !strings.Contains(a.body, `"mailed":true`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	text, link := s.mailed(sink, "eve@example.com", "ada@example.com invites you to The acme org")
	if link == "" || !strings.Contains(text, "From: \"Pizzeria\" <no-reply@pizzapi.localhost>") {
		t.Fatal(text)
	}
	if a := ada.submit(s.url("")+"/orgs/acme/invites", url.Values{"email": {"eve@example.com"}, "role": {"member"}}); a.status != 200 || !strings.Contains(a.body, "Invited by mail: eve@example.com") || strings.Contains(a.body, "/invite/") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.eventually("another link is sent", func() bool { return !strings.Contains(sink.To("eve@example.com"), link) })
	if a := s.person().open(link); a.status != 410 {
		t.Errorf("the first link: %d", a.status)
	}
	if out := s.must("member", "invite", "acme", "mia@example.com"); !strings.Contains(out, "waits for the approval of an owner") {
		t.Error(out)
	}
	s.mailed(sink, "ada@example.com", "operator asks for your approval in The acme org")
	_, link = s.mailed(sink, "eve@example.com", "ada@example.com invites you")
	eve := s.person()
	if a := eve.submit(link, url.Values{"name": {"Eve"}, "password": {password}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	verified := func(p *person, want bool) {
		t.Helper()
		var me struct {
			User struct {
				EmailVerified bool `json:"email_verified"`
			}
		}
		p.call(t, "GET", s.url("")+"/api/v1/me", "", 200, &me)
		if me.User.EmailVerified != want {
			t.Errorf("verified: %v", me.User.EmailVerified)
		}
	}
	verified(eve, true)
	verified(ada, false)

	// Nobody is flooded in our name, whoever invites them and however it is written.
	for i := range 7 {
		email := []string{"flood@example.com", "FLOOD@example.com"}[i%2]
		if a := ada.fetch("POST", s.url("")+"/api/v1/orgs/acme/invites", `{"email":"`+email+`","role":"member"}`); (a.status == 429) != (i >= 5) {
			t.Errorf("invitation %d: %d %s", i+1, a.status, a.body)
		}
	}

	// Ada, whom a set-up link made, shows that mail arrives.
	if a := ada.submit(s.url("")+"/account/email/verify", nil); a.status != 200 || !strings.Contains(a.body, "on its way") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	_, link = s.mailed(sink, "ada@example.com", "Is this your address?")
	if a := s.person().open(link); a.status != 200 || !strings.Contains(a.body, "Sign in and confirm") {
		t.Errorf("%d %s", a.status, a.body)
	}
	verified(ada, false) // looking at a link is not following it
	for _, other := range []*person{s.person(), eve} {
		other.submit(link, nil)
		verified(ada, false) // whoever reads the mail has the account, too, or it says nothing of them
	}
	if a := ada.submit(link, nil); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	verified(ada, true)

	// A forgotten password: the answer is the same for everybody, and every session ends.
	for _, email := range []string{"eve@example.com", "nobody@example.com"} {
		if a := s.person().submit(s.url("")+"/forgot", url.Values{"email": {email}}); a.status != 200 || !strings.Contains(a.body, "has an account, a link is on its way") {
			t.Errorf("%s: %d %s", email, a.status, a.body)
		}
	}
	_, link = s.mailed(sink, "eve@example.com", "A new password")
	if a := s.person().open(strings.Replace(link, "/reset/", "/verify/", 1)); a.status != 410 {
		t.Errorf("a link for a password verifies: %d", a.status)
	}
	if a := s.person().submit(link, url.Values{"password": {"short"}}); a.status != 422 {
		t.Errorf("a weak password: %d", a.status)
	}
	if a := s.person().submit(link, url.Values{"password": {"another good sentence"}}); a.status != 200 || !strings.Contains(a.body, "Your password is changed") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.person().submit(link, url.Values{"password": {"another good sentence"}}); a.status != 410 {
		t.Errorf("twice: %d", a.status)
	}
	s.mailed(sink, "eve@example.com", "Your password was changed")
	if a := eve.open(s.url("") + "/account"); a.url.Path != "/sign-in" {
		t.Errorf("eve is signed in still, at %s", a.url)
	}
	signIn := func(email, password string) int {
		t.Helper()
		return eve.submit(s.url("")+"/sign-in", url.Values{"email": {email}, "password": {password}, "return": {"/"}}).status
	}
	if signIn("eve@example.com", password) != 403 || signIn("eve@example.com", "another good sentence") != 200 {
		t.Error("the new password does not hold")
	}

	// Another address, which the password asks for, the new one confirms, and the old one hears of.
	change := func(password, email string) answer {
		t.Helper()
		return eve.submit(s.url("")+"/account/email", url.Values{"old_password": {password}, "new_email": {email}})
	}
	if a := change("wrong", "eve@new.example"); a.status != 403 {
		t.Errorf("without the password: %d", a.status)
	}
	if a := change("another good sentence", "eve@new.example"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	_, link = s.mailed(sink, "eve@new.example", "Your new address")
	if status := signIn("eve@new.example", "another good sentence"); status != 403 {
		t.Errorf("before it is confirmed: %d", status)
	}
	if a := s.person().submit(link, nil); a.url.Path != "/sign-in" {
		t.Errorf("%d at %s", a.status, a.url)
	}
	if status := signIn("eve@new.example", "another good sentence"); status != 403 {
		t.Errorf("confirmed by nobody: %d", status)
	}
	if a := eve.submit(link, nil); a.status != 200 || !strings.Contains(a.body, "Your address is verified") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if text, _ := s.mailed(sink, "eve@example.com", "Your account has another address"); !strings.Contains(text, "eve@new.example") {
		t.Error(text)
	}
	if signIn("eve@example.com", "another good sentence") != 403 || signIn("eve@new.example", "another good sentence") != 200 {
		t.Error("the new address does not hold")
	}
	if sink.To("nobody@example.com") != "" {
		t.Error("somebody without an account got mail")
	}

	// Secrets are nowhere but in the mail.
	secrets := []string{mailtest.Password}
	for _, m := range sink.Got() {
		if l := mailedLink.FindString(m.Text); l != "" {
			secrets = append(secrets, strings.TrimSpace(l[strings.LastIndex(l, "/")+1:]))
		}
	}
	if len(secrets) < 6 {
		t.Errorf("only %d secrets were found", len(secrets))
	}
	s.stop()
	everything := s.out.String()
	for _, name := range []string{"pizzeria.db", "pizzeria.db-wal"} {
		b, err := os.ReadFile(filepath.Join(s.dir, "data", name))
		if err == nil {
			everything += string(b)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(everything, secret) {
			t.Errorf("the log or the database holds %s", secret)
		}
	}
}

// TestPasswordLink: without mail a platform admin hands a link over.
func TestPasswordLink(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "member")
	if a := s.person().open(s.url("") + "/forgot"); a.status != 200 || !strings.Contains(a.body, "A platform admin gives you a link") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.person().submit(s.url("")+"/forgot", url.Values{"email": {"eve@example.com"}}); a.status != 409 {
		t.Errorf("%d", a.status)
	}
	link := strings.TrimSpace(s.must("user", "password-link", "eve@example.com"))
	if a := s.person().submit(link, url.Values{"password": {"another good sentence"}}); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.person().submit(s.url("")+"/sign-in", url.Values{"email": {"eve@example.com"}, "password": {"another good sentence"}, "return": {"/"}}); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	// A token is not enough: it would become a person for longer than it lives.
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.call(t, "POST", s.url("")+"/api/v1/tokens", "", 200, &token)
	s.bearer(token.AccessToken).call(t, "POST", s.url("")+"/api/v1/users/eve@example.com/password-link", "", 403, nil)
}

// TestMailInBrowser: the pages that mail leads to.
func TestMailInBrowser(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	s := startWithMail(t, sink)
	s.org(s.admin(), "acme")
	b := s.chromium()
	b.visit(s.url("") + "/sign-in")
	b.shot("sign-in-with-mail")
	b.press("a[href='/forgot']", "E-mail address of your account")
	b.shot("forgot")
	b.fill(map[string]string{"email": "ada@example.com"})
	b.press("form.card button", "a link is on its way")
	b.shot("forgot-sent")
	_, link := s.mailed(sink, "ada@example.com", "A new password")
	b.visit(link)
	b.shot("reset")
	b.fill(map[string]string{"password": "another good sentence"})
	b.press("form.card button", "Your password is changed")
	b.shot("reset-done")
	b.fill(map[string]string{"password": "another good sentence"})
	b.press("form.card button", "The acme org")
	b.visit(s.url("") + "/account")
	b.shot("account-with-mail")
	b.fill(map[string]string{"new_email": "ada@new.example", "email_password": "another good sentence"})
	b.press("form[action='/account/email'] button", "A link is on its way")
	_, link = s.mailed(sink, "ada@new.example", "Your new address")
	b.visit(link)
	b.shot("verify")
	b.press("form.card button", "ada@new.example, verified")
	b.visit(s.url("") + "/orgs/acme/members")
	b.fill(map[string]string{"email": "eve@example.com"})
	b.press("form[action='/orgs/acme/invites'] button", "Invited by mail: eve@example.com")
	b.shot("invited-by-mail")
	b.visit(s.url("") + "/platform/users")
	b.press("tbody a", "Link for a new password")
	b.press("form[action$='/password-link'] button", "is shown only now")
	b.shot("password-link")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		t.Errorf("the browser complains: %q", b.bad)
	}
}
