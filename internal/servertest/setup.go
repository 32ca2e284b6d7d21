package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
)

const address = "192.0.2.1" // of every client

// URL is an org's, or with "" the control plane's.
func (i *Installation) URL(slug string) string {
	site := i.tunables.Site
	if slug == "" {
		return site.Issuer
	}
	return site.OrgURL(slug)
}

// HTTP makes connections to the installation, whatever host is asked for.
func (i *Installation) HTTP() *http.Transport {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return i.listener.dial(ctx) }
	return &http.Transport{DialContext: dial, DialTLSContext: dial}
}

// Person returns somebody who is not signed in.
func (i *Installation) Person() *Person {
	jar, _ := cookiejar.New(nil) // never fails
	t := i.HTTP()
	i.Cleanup(t.CloseIdleConnections)
	return &Person{i.TB, &http.Client{Transport: t, Jar: jar, Timeout: 20 * time.Second}, i.URL("")}
}

// Eventually waits for what goroutines of the server do, up to a minute.
func (i *Installation) Eventually(what string, f func() bool) {
	i.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			i.Fatalf("it never happened that %s", what)
		case <-tick.C:
		}
	}
}

// Admin sets the installation up and returns its platform admin, signed in.
func (i *Installation) Admin() *Person {
	i.Helper()
	p := i.Person()
	a := p.Submit(i.setup, url.Values{
		"name": {"Ada Admin"}, "email": {"ada@example.com"}, "password": {Password},
	})
	if a.Status != http.StatusOK || a.URL.Path != "/orgs/new" {
		i.Fatalf("set-up: %d at %s: %s", a.Status, a.URL, a.Body)
	}
	return p
}

// Org creates an org and waits until it is active. It returns the ID.
func (i *Installation) Org(by *Person, slug string) string {
	i.Helper()
	a := by.Fetch("POST", i.URL("")+"/api/v1/orgs",
		fmt.Sprintf(`{"slug":%q,"name":"The %s org"}`, slug, slug))
	if a.Status != http.StatusCreated {
		i.Fatalf("create %s: %d %s", slug, a.Status, a.Body)
	}
	var o struct{ ID string }
	a.Decode(i.TB, &o)
	i.Active(slug)
	return o.ID
}

// Active waits until an org is served.
func (i *Installation) Active(slug string) {
	i.Helper()
	i.Eventually(slug+" is active", func() bool {
		var o struct {
			Status   string
			Instance struct{ State string }
		}
		a := i.Operator("GET", "/orgs/"+slug, "")
		return a.Status == http.StatusOK && json.Unmarshal([]byte(a.Body), &o) == nil &&
			o.Status == "active" && o.Instance.State == "running"
	})
}

// Invite makes a new person a member and returns them signed in.
func (i *Installation) Invite(by *Person, slug, email, role string) *Person {
	i.Helper()
	a := by.Fetch("POST", i.URL("")+"/api/v1/orgs/"+slug+"/invites",
		fmt.Sprintf(`{"email":%q,"role":%q}`, email, role))
	var v struct{ Link string }
	if a.Decode(i.TB, &v); a.Status != http.StatusCreated {
		i.Fatalf("invite: %d %s", a.Status, a.Body)
	}
	p := i.Person()
	name, _, _ := strings.Cut(email, "@")
	a = p.Submit(v.Link, url.Values{"name": {name}, "password": {Password}})
	if a.Status != http.StatusOK {
		i.Fatalf("accept: %d %s", a.Status, a.Body)
	}
	return p
}

// Operator asks the management API over the admin socket. path is below /api/v1.
func (i *Installation) Operator(method, path, body string) Answer {
	i.Helper()
	r := httptest.NewRequestWithContext(web.WithOperator(i.Context(), ""), method, "/api/v1"+path,
		strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	i.runtime.Handler().ServeHTTP(w, r)
	return Answer{w.Code, w.Body.String(), w.Result().Header, r.URL}
}

// SetLimits gives an org limits of its own, as JSON.
func (p *Person) SetLimits(slug, limits string) {
	p.Helper()
	p.Call(p, "PATCH", p.Console+"/api/v1/orgs/"+slug+"/limits", `{"limits":`+limits+`}`, 200, nil)
}
