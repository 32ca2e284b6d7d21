package servertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
)

// Password is every account's.
const Password = controltest.Password

// OrgCookie is the cookie of a session in an org.
const OrgCookie = "__Host-pizzeria-org"

// Person is somebody with a browser: cookies, redirects, and the headers that browsers send.
type Person struct {
	testing.TB
	Client  *http.Client
	Console string // the control plane's URL
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Header http.Header
	URL    *url.URL // of the last redirect
}

// Decode reads the answer's JSON.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
}

// Attempt sends a request, and returns an error when its answer is cut off.
func (p *Person) Attempt(
	method, target string, body io.Reader, header map[string]string,
) (Answer, error) {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), method, target, body)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,*/*")
	for k, v := range header {
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	res, err := p.Client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, string(b), res.Header, res.Request.URL}, err
}

// Do is Attempt, and fails the test when the answer is cut off.
func (p *Person) Do(method, target string, body io.Reader, header map[string]string) Answer {
	p.Helper()
	a, err := p.Attempt(method, target, body, header)
	if err != nil {
		p.Fatal(err)
	}
	return a
}

var navigation = map[string]string{
	"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
}

// Open is a top-level navigation.
func (p *Person) Open(target string) Answer {
	p.Helper()
	return p.Do("GET", target, nil, navigation)
}

// Status is that of a top-level navigation, 0 when it is cut off, as answers on their way are when
// access ends.
func (p *Person) Status(target string) int {
	p.Helper()
	a, err := p.Attempt("GET", target, nil, navigation)
	if err != nil {
		return 0
	}
	return a.Status
}

// Fetched is the status of what a page of the same origin fetches, 0 when it is cut off.
func (p *Person) Fetched(target string) int {
	p.Helper()
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
	p.Helper()
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
	p.Helper()
	u, _ := url.Parse(target)
	return p.Do("POST", target, strings.NewReader(form.Encode()), map[string]string{
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
		"Origin": "https://" + u.Host, "Content-Type": "application/x-www-form-urlencoded",
	})
}

// Cookie returns the value of a cookie that the person has for a URL.
func (p *Person) Cookie(target, name string) string {
	u, _ := url.Parse(target)
	for _, c := range p.Client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Call asks the API as a page of the console does, and decodes the answer into into unless that is
// nil. It fails the test for another status. Headers are names and values.
func (p *Person) Call(
	t testing.TB, method, target, body string, want int, into any, headers ...string,
) Answer {
	t.Helper()
	h := map[string]string{"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	a := p.Do(method, target, strings.NewReader(body), h)
	if a.Status != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, target, a.Status, want, a.Body)
	}
	if into != nil {
		a.Decode(t, into)
	}
	return a
}
