package endtoend

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// attackSignIn bends every step of signing in and of switching orgs.
func attackSignIn(t *testing.T, c *scene) {
	acme, globex := c.url("acme"), c.url("globex")
	for _, target := range []string{"//evil.example/", "/\\evil.example", "https://evil.example/", "/%09/evil.example"} {
		p := c.person()
		a := p.submit(c.url("")+"/sign-in", url.Values{"email": {"mia@example.com"}, "password": {password}, "return": {target}})
		if a.url.Host != c.host("") {
			t.Errorf("return %q led to %s", target, a.url)
		}
	}
	// Bob starts a sign-in to globex and hands the code to others.
	bob := c.bob
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	bob.c.CheckRedirect = stop
	fresh := c.person()
	fresh.c.CheckRedirect = stop
	a := fresh.open(globex + "/notes?x=1")
	authorize := a.header.Get("Location")
	if a.status != 302 || !strings.HasPrefix(authorize, c.url("")+"/authorize?") {
		t.Fatalf("start: %d %s", a.status, authorize)
	}
	u, _ := url.Parse(authorize)
	for name, change := range map[string]func(url.Values){
		"another redirect": func(q url.Values) { q.Set("redirect_uri", acme+"/.pizzeria/callback") },
		"evil redirect":    func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") },
		"longer redirect":  func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"/x") },
		"repeated":         func(q url.Values) { q.Add("redirect_uri", "https://evil.example/") },
		"unknown client": func(q url.Values) {
			q.Set("client_id", "urn:pizzeria:org:01890000-0000-7000-8000-000000000000:gateway")
		},
	} {
		q := u.Query()
		change(q)
		if a := bob.open(c.url("") + "/authorize?" + q.Encode()); a.status != 400 || a.header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Location"))
		}
	}
	for name, change := range map[string]func(url.Values){
		"no PKCE": func(q url.Values) { q.Del("code_challenge") }, "plain PKCE": func(q url.Values) { q.Set("code_challenge_method", "plain") },
		"implicit": func(q url.Values) { q.Set("response_type", "token") }, "request object": func(q url.Values) { q.Set("request", "x") }, "no state": func(q url.Values) { q.Del("state") },
	} {
		q := u.Query()
		change(q)
		l, _ := url.Parse(bob.open(c.url("") + "/authorize?" + q.Encode()).header.Get("Location"))
		if l.Query().Get("error") == "" || l.Query().Get("code") != "" || l.Query().Get("iss") != c.url("") {
			t.Errorf("%s: %s", name, l)
		}
	}
	// Login CSRF: bob's code in mia's browser, which has no such attempt.
	l := bob.open(authorize).header.Get("Location")
	if !strings.Contains(l, "code=") {
		t.Fatalf("no code: %s", l)
	}
	// It begins an attempt of its own, which ends at what mia may.
	if a := c.mia.open(l); a.status != 403 || a.url.String() == l || c.mia.cookie(globex, orgCookie) != "" {
		t.Errorf("login CSRF: %d at %s: %s", a.status, a.url, a.body)
	}
	// A code of one org at another.
	if a := c.mia.open(strings.Replace(l, globex, acme, 1)); a.status != 400 {
		t.Errorf("code at another org: %d", a.status)
	}
	// Its own browser, but an answer that is not the issuer's, or to another attempt.
	for name, change := range map[string]func(url.Values){
		"no iss":        func(q url.Values) { q.Del("iss") },
		"another iss":   func(q url.Values) { q.Set("iss", "https://evil.example") },
		"two codes":     func(q url.Values) { q.Add("code", "x") },
		"another state": func(q url.Values) { q.Set("state", "A"+q.Get("state")[1:]+"A") },
	} {
		attempt := c.person()
		attempt.c.CheckRedirect = stop
		start, err := url.Parse(attempt.open(globex + "/").header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := url.Parse(bob.open(start.String()).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		q := answer.Query()
		change(q)
		answer.RawQuery = q.Encode()
		if a := attempt.open(answer.String()); a.status != 400 || attempt.cookie(globex, orgCookie) != "" {
			t.Errorf("callback with %s: %d", name, a.status)
		}
	}
	// Once and not twice.
	if a := fresh.open(l); a.status != 303 || a.header.Get("Location") != "/notes?x=1" {
		t.Errorf("callback: %d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	session := fresh.cookie(globex, orgCookie)
	if a := fresh.open(l); a.status != 303 || a.header.Get("Location") != "/notes?x=1" || fresh.cookie(globex, orgCookie) != session {
		t.Errorf("callback twice: %d %s", a.status, a.header.Get("Location"))
	}
	// The token endpoint without the client's secret.
	if a := c.person().do("POST", c.url("")+"/token", strings.NewReader("grant_type=authorization_code&code=x"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic eDp5"}); a.status != 401 {
		t.Errorf("token endpoint: %d %s", a.status, a.body)
	}
	// Who is signed in and no member gets a page, not the org.
	c.mia.c.CheckRedirect = nil
	if a := c.mia.open(globex + "/"); a.status != 403 || strings.Contains(a.body, "notebook") {
		t.Errorf("no member: %d %s", a.status, a.body)
	}
}
