package flows

import (
	"net/http"
	"net/netip"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/mail"
	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// anonymous is a client without cookies that follows no redirects.
func anonymous(s *servertest.Installation) *http.Client {
	c := s.Person().Client
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// platformAdmin is one who is a member of nothing, made by the operator.
func platformAdmin(s *servertest.Installation) *servertest.Person {
	s.Helper()
	s.Must("POST", "/users", `{"email":"root@example.com","name":"Root","platform_admin":true,
		"password":"`+servertest.Password+`"}`)
	p := s.Person()
	a := signIn(s, p, "root@example.com", servertest.Password)
	if a.Status != 200 || a.URL.Path != "/" {
		s.Fatalf("sign in: %d at %s", a.Status, a.URL)
	}
	return p
}

func signIn(
	s *servertest.Installation, p *servertest.Person, email, password string,
) servertest.Answer {
	s.Helper()
	return p.Submit(s.URL("")+"/sign-in", url.Values{
		"email": {email}, "password": {password}, "return": {"/"},
	})
}

// passwordLink is one that the operator makes.
func passwordLink(s *servertest.Installation, email string) string {
	s.Helper()
	var v struct{ Link string }
	s.Must("POST", "/users/"+email+"/password-link", "").Decode(s.TB, &v)
	return v.Link
}

// withMail has mail sent to a sink.
func withMail(sink *mailtest.Sink) func(*runtime.Tunables) {
	return func(c *runtime.Tunables) {
		c.Mail = &mail.Config{
			Server: sink.Address, From: `Pizzeria <no-reply@d.example>`, CAFile: sink.CAFile,
			Username: mailtest.Username, Password: mailtest.Password,
		}
		if err := c.Mail.Check(); err != nil {
			panic(err)
		}
	}
}

// mailed waits for a message to an address and returns it with its link.
func mailed(
	s *servertest.Installation, sink *mailtest.Sink, to, subject string,
) (text, link string) {
	s.Helper()
	s.Eventually("a message with the subject "+subject+" is sent to "+to, func() (ok bool) {
		text, link, ok = sink.Mailed(to, subject)
		return ok
	})
	return text, link
}

// allowLoopback lets webhooks reach this machine.
func allowLoopback(c *runtime.Tunables) {
	c.WebhookAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// approveAll has an owner approve whatever waits in an org.
func approveAll(owner *servertest.Person, slug string) {
	owner.Helper()
	var page struct{ Items []struct{ ID, State string } }
	path := owner.Console + "/api/v1/orgs/" + slug + "/approvals"
	owner.Call(owner, "GET", path, "", 200, &page)
	for _, p := range page.Items {
		if p.State == "waiting" {
			owner.Call(owner, "POST", path+"/"+p.ID+"/approve", "", 200, nil)
		}
	}
}
