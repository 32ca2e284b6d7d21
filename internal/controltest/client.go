package controltest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
)

// Issuer is the control plane's URL.
const Issuer = "https://d.example"

// Client asks the server as somebody.
type Client struct {
	s        *Server
	header   http.Header
	operator bool
	base     string // the path that the operator's requests are below
}

// Nobody is not signed in.
func (s *Server) Nobody() *Client { return &Client{s: s, header: http.Header{}} }

// Operator asks over the admin socket.
func (s *Server) Operator() *Client { return s.OperatorBelow("") }

// OperatorBelow asks over an admin socket that has the control plane below a path.
func (s *Server) OperatorBelow(base string) *Client {
	return &Client{s: s, header: http.Header{}, operator: true, base: base}
}

// Bearer presents a key or token.
func (s *Server) Bearer(token string) *Client {
	return s.Nobody().With("Authorization", "Bearer "+token)
}

// Page is the console's own page in the browser of a session.
func (s *Server) Page(l identity.Login) *Client {
	return s.Nobody().With("Cookie", web.Cookie+"="+l.Token.Reveal(), "Sec-Fetch-Site",
		"same-origin")
}

// With is the client with more headers, given as names and values. An empty value takes one away.
func (c *Client) With(headers ...string) *Client {
	more := &Client{c.s, c.header.Clone(), c.operator, c.base}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			more.header.Del(headers[i])
			continue
		}
		more.header.Add(headers[i], headers[i+1])
	}
	return more
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Decode reads the answer's JSON.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
}

// Do asks the handler. A body is sent as JSON unless the client says otherwise.
func (c *Client) Do(method, target, body string) Answer {
	// A stream that no test reads must not hang the tests.
	ctx, cancel := context.WithTimeout(c.s.Context(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	w := httptest.NewRecorder()
	c.s.Handler.ServeHTTP(w, c.prepare(r, body))
	return Answer{w.Code, w.Result().Header, w.Body.String()}
}

// Want is Do, and fails the test unless the answer has the status.
func (c *Client) Want(t testing.TB, status int, method, target, body string) Answer {
	t.Helper()
	a := c.Do(method, target, body)
	if a.Status != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, target, a.Status, status, a.Body)
	}
	return a
}

func (c *Client) prepare(r *http.Request, body string) *http.Request {
	for name, values := range c.header {
		r.Header[name] = values
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	ctx := wire.WithRequest(r.Context(), "request-1", address)
	if c.operator {
		ctx = web.WithOperator(ctx, c.base)
	}
	return r.WithContext(ctx)
}

// Lines are the lines of a stream.
type Lines struct {
	t    testing.TB
	read chan string
	End  context.CancelFunc // hangs up
}

// Stream opens a stream over a socket, and fails the test unless the answer is 200.
func (c *Client) Stream(t testing.TB, target string) *Lines {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.s.Handler.ServeHTTP(w, c.prepare(r, ""))
	}))
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); srv.Close() })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %d %s", target, res.StatusCode, b)
	}
	l := &Lines{t, make(chan string), cancel}
	go func() { // ends with the answer or ctx
		defer close(l.read)
		defer func() { _ = res.Body.Close() }()
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			select {
			case l.read <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}

// Next is the next line that begins with prefix, without it; ok is false at the stream's end.
// It fails the test when nothing comes for ten seconds.
func (l *Lines) Next(prefix string) (line string, ok bool) {
	l.t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-l.read:
			if !ok {
				return "", false
			}
			if rest, is := strings.CutPrefix(line, prefix); is {
				return rest, true
			}
		case <-late:
			l.t.Fatalf("no line %q comes", prefix)
			return "", false
		}
	}
}
