package endtoend

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// person is a servertest.Person at the real binary.
type person struct {
	s *server
	c *http.Client
}

func (s *server) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{s, &http.Client{Transport: s.transport(), Jar: jar, Timeout: time.Minute}}
}

// bearer is somebody with an API key or token, and no cookie.
func (s *server) bearer(key string) *person {
	p := s.person()
	p.c.Transport = servertest.Bearer(p.c.Transport, key)
	return p
}

func (p *person) is() *servertest.Person {
	return &servertest.Person{TB: p.s.t, Client: p.c, Console: p.s.url("")}
}

type answer struct {
	status int
	body   string
	header http.Header
	url    *url.URL
}

func answerOf(a servertest.Answer) answer { return answer{a.Status, a.Body, a.Header, a.URL} }

func (p *person) attempt(
	method, target string, body io.Reader, header map[string]string,
) (answer, error) {
	p.s.t.Helper()
	a, err := p.is().Attempt(method, target, body, header)
	return answerOf(a), err
}

func (p *person) do(method, target string, body io.Reader, header map[string]string) answer {
	p.s.t.Helper()
	return answerOf(p.is().Do(method, target, body, header))
}

func (p *person) open(target string) answer {
	p.s.t.Helper()
	return answerOf(p.is().Open(target))
}

func (p *person) status(target string) int {
	p.s.t.Helper()
	return p.is().Status(target)
}

func (p *person) fetched(target string) int {
	p.s.t.Helper()
	return p.is().Fetched(target)
}

func (p *person) fetch(method, target, body string) answer {
	p.s.t.Helper()
	return answerOf(p.is().Fetch(method, target, body))
}

func (p *person) submit(target string, form url.Values) answer {
	p.s.t.Helper()
	return answerOf(p.is().Submit(target, form))
}

func (p *person) call(
	t *testing.T, method, target, body string, want int, out any, headers ...string,
) answer {
	t.Helper()
	return answerOf(p.is().Call(t, method, target, body, want, out, headers...))
}

func (p *person) cookie(target, name string) string { return p.is().Cookie(target, name) }

func (p *person) elsewhere() *person {
	p.c.Transport = p.is().Elsewhere().Client.Transport
	return p
}

// addApp adds an authenticator app, and returns what makes its codes.
func (p *person) addApp(name string) func(time.Time) string {
	p.s.t.Helper()
	return p.is().AddApp(name)
}
