package endtoend

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
)

// mailed waits for a message to an address and returns it with its link.
func (s *server) mailed(sink *mailtest.Sink, to, subject string) (text, link string) {
	s.t.Helper()
	s.eventually("a message with the subject "+subject+" is sent to "+to, func() (ok bool) {
		text, link, ok = sink.Mailed(to, subject)
		return ok
	})
	return text, link
}

func startWithMail(t *testing.T, sink *mailtest.Sink, more ...string) *server {
	t.Helper()
	return startWith(t, strings.Join(more, "\n")+mailTo(sink), "org_gateway", smtpPassword)
}

const smtpPassword = "SMTP_PASSWORD=" + mailtest.Password

// mailTo is the option that sends mail to a sink, with smtpPassword in the environment.
func mailTo(sink *mailtest.Sink) string {
	return fmt.Sprintf("\nmail %s {\n from \"Pizzeria <no-reply@pizzapi.localhost>\"\n username %s\n password {env.SMTP_PASSWORD}\n ca_file %s\n}", sink.Address, mailtest.Username, sink.CAFile)
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
