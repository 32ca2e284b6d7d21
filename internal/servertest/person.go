package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
)

// Password is every account's.
const Password = "correct horse battery"

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

// Person is somebody with a browser: cookies, redirects, and the headers that browsers send.
type Person struct {
	i *Installation
	c *http.Client
}

// Person returns somebody who is not signed in.
func (i *Installation) Person() *Person {
	jar, _ := cookiejar.New(nil) // never fails
	t := i.HTTP()
	i.Cleanup(t.CloseIdleConnections)
	return &Person{i, &http.Client{Transport: t, Jar: jar, Timeout: 20 * time.Second}}
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Header http.Header
	URL    *url.URL // of the last redirect
}

// Decode reads the answer's JSON.
func (a Answer) Decode(i *Installation, into any) {
	i.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		i.Fatalf("%v: %s", err, a.Body)
	}
}

// Attempt sends a request, and returns an error when its answer is cut off.
func (p *Person) Attempt(
	method, target string, body io.Reader, header map[string]string,
) (Answer, error) {
	p.i.Helper()
	req, err := http.NewRequestWithContext(p.i.Context(), method, target, body)
	if err != nil {
		p.i.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,*/*")
	for k, v := range header {
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	res, err := p.c.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, string(b), res.Header, res.Request.URL}, err
}

// Do is Attempt, and fails the test when the answer is cut off.
func (p *Person) Do(method, target string, body io.Reader, header map[string]string) Answer {
	p.i.Helper()
	a, err := p.Attempt(method, target, body, header)
	if err != nil {
		p.i.Fatal(err)
	}
	return a
}

var navigation = map[string]string{
	"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
}

// Open is a top-level navigation.
func (p *Person) Open(target string) Answer {
	p.i.Helper()
	return p.Do("GET", target, nil, navigation)
}

// Status is that of a top-level navigation, 0 when it is cut off, as answers on their way are when
// access ends.
func (p *Person) Status(target string) int {
	p.i.Helper()
	a, err := p.Attempt("GET", target, nil, navigation)
	if err != nil {
		return 0
	}
	return a.Status
}

// Fetched is the status of what a page of the same origin fetches, 0 when it is cut off.
func (p *Person) Fetched(target string) int {
	p.i.Helper()
	a, err := p.Attempt("GET", target, nil, fetching)
	if err != nil {
		return 0
	}
	return a.Status
}

var fetching = map[string]string{
	"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
	"Accept": "application/json",
}

// Fetch is what a page of the same origin does.
func (p *Person) Fetch(method, target, body string) Answer {
	p.i.Helper()
	u, _ := url.Parse(target)
	h := map[string]string{"Origin": "https://" + u.Host, "Content-Type": "application/json"}
	if method == http.MethodGet {
		h = map[string]string{}
	}
	for k, v := range fetching {
		h[k] = v
	}
	return p.Do(method, target, strings.NewReader(body), h)
}

// Submit sends a form of a page of the same origin.
func (p *Person) Submit(target string, form url.Values) Answer {
	p.i.Helper()
	u, _ := url.Parse(target)
	return p.Do("POST", target, strings.NewReader(form.Encode()), map[string]string{
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
		"Origin": "https://" + u.Host, "Content-Type": "application/x-www-form-urlencoded",
	})
}

// Cookie returns the value of a cookie that the person has for a URL.
func (p *Person) Cookie(target, name string) string {
	u, _ := url.Parse(target)
	for _, c := range p.c.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Eventually waits for what goroutines of the server do, up to a minute.
func (i *Installation) Eventually(what string, f func() bool) {
	i.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
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
	a.Decode(i, &o)
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
	if a.Decode(i, &v); a.Status != http.StatusCreated {
		i.Fatalf("invite: %d %s", a.Status, a.Body)
	}
	p := i.Person()
	name, _, _ := strings.Cut(email, "@")
	if a := p.Submit(v.Link, url.Values{"name": {name}, "password": {Password}}); a.Status != http.StatusOK {
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
