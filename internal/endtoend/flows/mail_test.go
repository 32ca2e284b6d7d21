package flows

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestMail: invitations, verification, new passwords and changes of address, by a real SMTP server with TLS and a password.
func TestMail(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	s := servertest.Start(t, withMail(sink))
	ada := s.Admin()
	s.Org(ada, "acme")

	// The link of an invitation goes to its address and nowhere else, and who follows it has a verified address.
	a := ada.Fetch("POST", s.URL("")+"/api/v1/orgs/acme/invites", `{"email":"eve@example.com","role":"member"}`)
	if a.Status != 201 || strings.Contains(a.Body, "/invite/") || !strings.Contains(a.Body, `"mailed":true`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	text, link := mailed(s, sink, "eve@example.com", "ada@example.com invites you to The acme org")
	if link == "" || !strings.Contains(text, "From: \"Pizzeria\" <no-reply@d.example>") {
		t.Fatal(text)
	}
	if a := ada.Submit(s.URL("")+"/orgs/acme/invites", url.Values{"email": {"eve@example.com"}, "role": {"member"}}); a.Status != 200 || !strings.Contains(a.Body, "Invited by mail: eve@example.com") || strings.Contains(a.Body, "/invite/") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	s.Eventually("another link is sent", func() bool { return !strings.Contains(sink.To("eve@example.com"), link) })
	if a := s.Person().Open(link); a.Status != 410 {
		t.Errorf("the first link: %d", a.Status)
	}
	if a := s.Operator("POST", "/orgs/acme/invites", `{"email":"mia@example.com","role":"member"}`); a.Status != 202 || !strings.Contains(a.Body, `"state":"waiting"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	mailed(s, sink, "ada@example.com", "operator asks for your approval in The acme org")
	_, link = mailed(s, sink, "eve@example.com", "ada@example.com invites you")
	eve := s.Person()
	if a := eve.Submit(link, url.Values{"name": {"Eve"}, "password": {servertest.Password}}); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	verified := func(p *servertest.Person, want bool) {
		t.Helper()
		var me struct {
			User struct {
				EmailVerified bool `json:"email_verified"`
			}
		}
		p.Call(t, "GET", s.URL("")+"/api/v1/me", "", 200, &me)
		if me.User.EmailVerified != want {
			t.Errorf("verified: %v", me.User.EmailVerified)
		}
	}
	verified(eve, true)
	verified(ada, false)

	// Nobody is flooded in our name, whoever invites them and however it is written.
	for i := range 7 {
		email := []string{"flood@example.com", "FLOOD@example.com"}[i%2]
		if a := ada.Fetch("POST", s.URL("")+"/api/v1/orgs/acme/invites", `{"email":"`+email+`","role":"member"}`); (a.Status == 429) != (i >= 5) {
			t.Errorf("invitation %d: %d %s", i+1, a.Status, a.Body)
		}
	}

	// Ada, whom a set-up link made, shows that mail arrives.
	if a := ada.Submit(s.URL("")+"/account/email/verify", nil); a.Status != 200 || !strings.Contains(a.Body, "on its way") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	_, link = mailed(s, sink, "ada@example.com", "Is this your address?")
	if a := s.Person().Open(link); a.Status != 200 || !strings.Contains(a.Body, "Sign in and confirm") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	verified(ada, false) // looking at a link is not following it
	for _, other := range []*servertest.Person{s.Person(), eve} {
		other.Submit(link, nil)
		verified(ada, false) // whoever reads the mail has the account, too, or it says nothing of them
	}
	if a := ada.Submit(link, nil); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	verified(ada, true)

	// A forgotten password: the answer is the same for everybody, and every session ends.
	for _, email := range []string{"eve@example.com", "nobody@example.com"} {
		if a := s.Person().Submit(s.URL("")+"/forgot", url.Values{"email": {email}}); a.Status != 200 || !strings.Contains(a.Body, "has an account, a link is on its way") {
			t.Errorf("%s: %d %s", email, a.Status, a.Body)
		}
	}
	_, link = mailed(s, sink, "eve@example.com", "A new password")
	if a := s.Person().Open(strings.Replace(link, "/reset/", "/verify/", 1)); a.Status != 410 {
		t.Errorf("a link for a password verifies: %d", a.Status)
	}
	if a := s.Person().Submit(link, url.Values{"password": {"short"}}); a.Status != 422 {
		t.Errorf("a weak password: %d", a.Status)
	}
	if a := s.Person().Submit(link, url.Values{"password": {"another good sentence"}}); a.Status != 200 || !strings.Contains(a.Body, "Your password is changed") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Person().Submit(link, url.Values{"password": {"another good sentence"}}); a.Status != 410 {
		t.Errorf("twice: %d", a.Status)
	}
	mailed(s, sink, "eve@example.com", "Your password was changed")
	if a := eve.Open(s.URL("") + "/account"); a.URL.Path != "/sign-in" {
		t.Errorf("eve is signed in still, at %s", a.URL)
	}
	signIn := func(email, password string) int {
		t.Helper()
		return signIn(s, eve, email, password).Status
	}
	if signIn("eve@example.com", servertest.Password) != 403 || signIn("eve@example.com", "another good sentence") != 200 {
		t.Error("the new password does not hold")
	}

	// Another address, which the password asks for, the new one confirms, and the old one hears of.
	change := func(password, email string) servertest.Answer {
		t.Helper()
		return eve.Submit(s.URL("")+"/account/email", url.Values{"old_password": {password}, "new_email": {email}})
	}
	if a := change("wrong", "eve@new.example"); a.Status != 403 {
		t.Errorf("without the password: %d", a.Status)
	}
	if a := change("another good sentence", "eve@new.example"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	_, link = mailed(s, sink, "eve@new.example", "Your new address")
	if status := signIn("eve@new.example", "another good sentence"); status != 403 {
		t.Errorf("before it is confirmed: %d", status)
	}
	if a := s.Person().Submit(link, nil); a.URL.Path != "/sign-in" {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	if status := signIn("eve@new.example", "another good sentence"); status != 403 {
		t.Errorf("confirmed by nobody: %d", status)
	}
	if a := eve.Submit(link, nil); a.Status != 200 || !strings.Contains(a.Body, "Your address is verified") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if text, _ := mailed(s, sink, "eve@example.com", "Your account has another address"); !strings.Contains(text, "eve@new.example") {
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
		if l := mailtest.Link(m.Text); l != "" {
			secrets = append(secrets, l[strings.LastIndex(l, "/")+1:])
		}
	}
	if len(secrets) < 6 {
		t.Errorf("only %d secrets were found", len(secrets))
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	everything := s.Log.String()
	for _, name := range []string{"pizzeria.db", "pizzeria.db-wal"} {
		b, err := os.ReadFile(filepath.Join(s.Dir, name))
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
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Invite(ada, "acme", "eve@example.com", "member")
	if a := s.Person().Open(s.URL("") + "/forgot"); a.Status != 200 || !strings.Contains(a.Body, "A platform admin gives you a link") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Person().Submit(s.URL("")+"/forgot", url.Values{"email": {"eve@example.com"}}); a.Status != 409 {
		t.Errorf("%d", a.Status)
	}
	link := passwordLink(s, "eve@example.com")
	if a := s.Person().Submit(link, url.Values{"password": {"another good sentence"}}); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Person().Submit(s.URL("")+"/sign-in", url.Values{"email": {"eve@example.com"}, "password": {"another good sentence"}, "return": {"/"}}); a.Status != 200 {
		t.Errorf("%d", a.Status)
	}
	// A token is not enough: it would become a person for longer than it lives.
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.Call(t, "POST", s.URL("")+"/api/v1/tokens", "", 200, &token)
	s.Bearer(token.AccessToken).Call(t, "POST", s.URL("")+"/api/v1/users/eve@example.com/password-link", "", 403, nil)
}
