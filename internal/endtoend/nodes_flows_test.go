package endtoend

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// TestFlowsOverNodes: what takes several requests works when each of them goes to another node than
// the one before.
func TestFlowsOverNodes(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	at := postgrestest.Start(t, postgrestest.Options{}).Create(t, "pizzeria")
	c := startNodesAt(t, []string{at, at}, mailTo(sink), smtpPassword)
	ada := c.admin()
	ada.c.Transport = c.inTurn()
	c.org(ada, "acme")
	f := &flows{c, ada, sink, c.url("") + "/api/v1"}

	t.Run("a password", f.password)
	t.Run("an authenticator app", f.authenticatorApp)
	t.Run("a passkey", f.passkey)
}

// flows are what people do at several nodes. Ada is a platform admin who owns acme.
type flows struct {
	*cluster
	ada  *person
	sink *mailtest.Sink
	api  string
}

// member is a new member of acme, at each node in turn.
func (f *flows) member(t *testing.T, name string) *person {
	t.Helper()
	p := f.wanderer()
	a := p.submit(f.invited(t, name), url.Values{"name": {name}, "password": {password}})
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return p
}

// invited is the link of an invitation into acme.
func (f *flows) invited(t *testing.T, name string) string {
	t.Helper()
	f.ada.call(t, "POST", f.api+"/orgs/acme/invites",
		fmt.Sprintf(`{"email":"%s@example.com","role":"member"}`, name), http.StatusCreated, nil)
	_, link := f.mailed(f.sink, name+"@example.com", "ada@example.com invites you to The acme org")
	return link
}

// signIn answers the page that asks for a password.
func (f *flows) signIn(p *person, page answer, name, password string) answer {
	f.t.Helper()
	_, form := p.form(page, "/sign-in")
	form.Set("email", name+"@example.com")
	form.Set("password", password)
	return p.submit(f.url("")+"/sign-in", form)
}

// in fails the test unless an answer is that of acme, for somebody.
func (f *flows) in(t *testing.T, a answer, name string) {
	t.Helper()
	if a.status != http.StatusOK || !strings.HasPrefix(a.url.String(), f.url("acme")) ||
		!strings.Contains(a.body, name+"@example.com") {
		t.Fatalf("%d at %s: %s", a.status, a.url, tail(a.body, 1500))
	}
}

// both fails the test unless every node answers with a status.
func (f *flows) both(t *testing.T, p *person, target string, want int) {
	t.Helper()
	for i := range f.nodes {
		if got := f.at(i, p).fetched(target); got != want {
			t.Errorf("node %d answers %s with %d, want %d", i, target, got, want)
		}
	}
}

func (f *flows) whoami() string { return f.url("acme") + "/whoami" }

func (f *flows) password(t *testing.T) {
	for range 2 { // the second one begins at the other node
		p := f.wanderer()
		f.in(t, f.signIn(p, p.open(f.whoami()), "ada", password), "ada")
		f.both(t, p, f.whoami(), http.StatusOK)
		if a := p.submit(f.url("")+"/sign-out", nil); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		f.eventually("both nodes know that the session is over", func() bool {
			return f.at(0, p).fetched(f.whoami()) == http.StatusUnauthorized &&
				f.at(1, p).fetched(f.whoami()) == http.StatusUnauthorized
		})
		f.ada.open(f.url("") + "/account")
	}
}

func (f *flows) authenticatorApp(t *testing.T) {
	codes := f.member(t, "tom").addApp("Phone")
	second := func(p *person, code string) answer {
		t.Helper()
		_, form := p.form(f.signIn(p, p.open(f.whoami()), "tom", password), "/sign-in/second")
		form.Set("code", code)
		return p.submit(f.url("")+"/sign-in/second", form)
	}
	code := codes(time.Now().Add(30 * time.Second)) // the one of now was shown
	if a := second(f.wanderer(), "000000"); a.status == http.StatusOK {
		t.Errorf("a wrong code: at %s", a.url)
	}
	f.in(t, second(f.wanderer(), code), "tom")
	for range 2 {
		p := f.wanderer()
		if a := second(p, code); a.status == http.StatusOK {
			t.Errorf("a code that was used: at %s", a.url)
		}
		f.ada.open(f.url("") + "/account")
	}
}

func (f *flows) passkey(t *testing.T) {
	p := f.member(t, "pia")
	var pia struct{ ID string }
	if err := f.operator("/users/pia@example.com", &pia); err != nil {
		t.Fatal(err)
	}
	at := virtualwebauthn.RelyingParty{Name: domain, ID: domain, Origin: f.url("")}
	device, key := virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	device.Options.UserHandle = []byte(pia.ID)
	device.AddCredential(key)
	asked := func(p *person, page, action string) (options string, form url.Values) {
		t.Helper()
		attributes, form := p.form(p.open(page), action)
		_, options, ok := strings.Cut(attributes, `data-passkey="`)
		if !ok {
			t.Fatal(attributes)
		}
		options, _, _ = strings.Cut(options, `"`)
		return html.UnescapeString(options), form
	}

	options, form := asked(p, f.url("")+"/account/passkey", "/account/passkey")
	creation, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("response", virtualwebauthn.CreateAttestationResponse(at, device, key, *creation))
	form.Set("name", "Laptop")
	form.Set("old_password", password)
	if a := p.submit(f.url("")+"/account/passkey", form); a.status != http.StatusOK || !strings.Contains(a.body, "Recovery codes") {
		t.Fatalf("%d %s", a.status, a.body)
	}

	p = f.wanderer()
	options, form = asked(p, f.whoami(), "/sign-in/passkey")
	request, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("response", virtualwebauthn.CreateAssertionResponse(at, device, key, *request))
	f.in(t, p.submit(f.url("")+"/sign-in/passkey", form), "pia")
	for i := range f.nodes {
		if a := f.at(i, f.person()).submit(f.url("")+"/sign-in/passkey", form); a.status != http.StatusForbidden {
			t.Errorf("node %d takes the answer again: %d", i, a.status)
		}
	}
}
