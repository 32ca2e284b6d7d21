package endtoend

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// person is somebody with a browser: cookies, redirects, and the headers that browsers send.
type person struct {
	s *server
	c *http.Client
}

func (s *server) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{s, &http.Client{Transport: s.transport(), Jar: jar, Timeout: 20 * time.Second}}
}

type answer struct {
	status int
	body   string
	header http.Header
	url    *url.URL
}

// attempt sends a request, and returns an error when its answer is cut off.
func (p *person) attempt(
	method, target string, body io.Reader, header map[string]string,
) (answer, error) {
	p.s.t.Helper()
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		p.s.t.Fatal(err)
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
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(b), res.Header, res.Request.URL}, err
}

func (p *person) do(method, target string, body io.Reader, header map[string]string) answer {
	p.s.t.Helper()
	a, err := p.attempt(method, target, body, header)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return a
}

var navigation = map[string]string{
	"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
}

// open is a top-level navigation.
func (p *person) open(target string) answer {
	p.s.t.Helper()
	return p.do("GET", target, nil, navigation)
}

// status is that of a top-level navigation, 0 when it is cut off, as answers on their way are when
// access ends.
func (p *person) status(target string) int {
	p.s.t.Helper()
	a, err := p.attempt("GET", target, nil, navigation)
	if err != nil {
		return 0
	}
	return a.status
}

// fetched is the status of what a page of the same origin fetches, 0 when it is cut off.
func (p *person) fetched(target string) int {
	p.s.t.Helper()
	a, err := p.attempt("GET", target, nil, map[string]string{
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
		"Accept": "application/json",
	})
	if err != nil {
		return 0
	}
	return a.status
}

// fetch is what a page of the same origin does.
func (p *person) fetch(method, target, body string) answer {
	p.s.t.Helper()
	u, _ := url.Parse(target)
	h := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "application/json"}
	if method != "GET" {
		h["Origin"] = "https://" + u.Host
		h["Content-Type"] = "application/json"
	}
	return p.do(method, target, strings.NewReader(body), h)
}

// submit sends a form of a page of the same origin.
func (p *person) submit(target string, form url.Values) answer {
	p.s.t.Helper()
	u, _ := url.Parse(target)
	return p.do("POST", target, strings.NewReader(form.Encode()), map[string]string{
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": "https://" + u.Host, "Content-Type": "application/x-www-form-urlencoded",
	})
}

// cookie returns the value of a cookie that the person has for a URL.
func (p *person) cookie(target, name string) string {
	u, _ := url.Parse(target)
	for _, c := range p.c.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
