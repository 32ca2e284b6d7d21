package servertest

import (
	"html"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// AddApp adds an authenticator app, and returns what makes its codes.
func (p *Person) AddApp(name string) func(time.Time) string {
	p.Helper()
	page := p.Open(p.Console + "/account/second-step").Body
	p.AddAppFrom(page, name)
	return p.codes(page)
}

// AddAppFrom answers the page that adds an authenticator app, and returns the one with the recovery
// codes.
func (p *Person) AddAppFrom(page, name string) Answer {
	p.Helper()
	sealed := html.UnescapeString(p.between(page, `name="sealed" value="`, `"`))
	a := p.Submit(p.Console+"/account/second-step", url.Values{
		"sealed": {sealed}, "name": {name}, "code": {p.codes(page)(time.Now())},
		"old_password": {Password},
	})
	if a.Status != 200 || !strings.Contains(a.Body, "Recovery codes") {
		p.Fatalf("%d %s", a.Status, a.Body)
	}
	return a
}

// codes makes codes with the secret that a page shows.
func (p *Person) codes(page string) func(time.Time) string {
	p.Helper()
	secret := p.between(page, `id="secret" value="`, `"`)
	return func(at time.Time) string {
		p.Helper()
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			p.Fatal(err)
		}
		return c
	}
}

func (p *Person) between(text, from, to string) string {
	p.Helper()
	_, rest, ok := strings.Cut(text, from)
	found, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		p.Fatalf("no %s in %s", from, text)
	}
	return found
}
