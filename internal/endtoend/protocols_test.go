package endtoend

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// TestProtocolsAreJudgedAlike asks the same over HTTP/1.1, HTTP/2 and HTTP/3.
func TestProtocolsAreJudgedAlike(t *testing.T) {
	t.Parallel()
	s := startWith(t, "http3", "org_gateway")
	ada := s.admin()
	for _, slug := range []string{"acme", "globex"} {
		s.org(ada, slug)
		ada.open(s.url(slug) + "/")
	}
	acme, globex := orgCookie+"="+ada.cookie(s.url("acme"), orgCookie), orgCookie+"="+ada.cookie(s.url("globex"), orgCookie)
	h1 := s.transport()
	h1.ForceAttemptHTTP2, h1.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	h3 := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.root, MinVersion: tls.VersionTLS13},
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, fmt.Sprintf("127.0.0.1:%d", s.port), c, q)
		},
	}
	t.Cleanup(func() { _ = h3.Close() })
	for protocol, tr := range map[int]http.RoundTripper{1: h1, 2: s.transport(), 3: h3} {
		c := &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		for name, x := range map[string]struct {
			method, target string
			header         map[string]string
			want           int
			body           string // what the answer holds
		}{
			"nobody":                    {"GET", s.url("acme") + "/whoami", nil, 401, "Sign in first"},
			"a page for nobody":         {"GET", s.url("acme") + "/", map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}, 302, ""},
			"a member":                  {"GET", s.url("acme") + "/whoami", map[string]string{"Cookie": acme, "Sec-Fetch-Site": "same-origin"}, 200, "Pizzeria-Assertion"},
			"another org's session":     {"GET", s.url("acme") + "/whoami", map[string]string{"Cookie": globex, "Sec-Fetch-Site": "same-origin"}, 401, ""},
			"two sessions":              {"GET", s.url("acme") + "/whoami", map[string]string{"Cookie": globex + "; " + acme, "Sec-Fetch-Site": "same-origin"}, 401, ""},
			"a sibling's fetch":         {"POST", s.url("acme") + "/notes", map[string]string{"Cookie": acme, "Sec-Fetch-Site": "same-site", "Origin": s.url("globex")}, 403, ""},
			"own write":                 {"POST", s.url("acme") + "/size", map[string]string{"Cookie": acme, "Sec-Fetch-Site": "same-origin", "Origin": s.url("acme")}, 200, `"bytes":0`},
			"an unknown org":            {"GET", s.url("nosuch") + "/", nil, 404, ""},
			"a reserved path, encoded":  {"GET", s.url("acme") + "/%2epizzeria/session", map[string]string{"Cookie": acme, "Sec-Fetch-Site": "same-origin"}, 400, ""},
			"TRACE":                     {"TRACE", s.url("acme") + "/whoami", map[string]string{"Cookie": acme, "Sec-Fetch-Site": "same-origin"}, 405, ""},
			"a spoofed identity":        {"GET", s.url("acme") + "/whoami", map[string]string{"Pizzeria_Assertion": "canary", "Pizzeria-Assertion": "canary", "X-Forwarded-Host": "canary"}, 401, ""},
			"a member with spoofed too": {"GET", s.url("acme") + "/whoami", map[string]string{"Pizzeria_Assertion": "canary", "Cookie": acme, "Sec-Fetch-Site": "same-origin", "X-Forwarded-Host": "canary"}, 200, "Pizzeria-Assertion"},
		} {
			req, err := http.NewRequest(x.method, x.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "application/json")
			for k, v := range x.header {
				req.Header[k] = []string{v}
			}
			res, err := c.Do(req)
			if err != nil {
				t.Errorf("HTTP/%d, %s: %v", protocol, name, err)
				continue
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != x.want || !strings.Contains(string(b), x.body) || strings.Contains(string(b), "canary") || strings.Count(string(b), "Pizzeria-Assertion") > 1 {
				t.Errorf("HTTP/%d, %s: %d %s %v", protocol, name, res.StatusCode, tail(string(b), 300), err)
			}
			if res.ProtoMajor != protocol {
				t.Errorf("%s came over HTTP/%d, not %d", name, res.ProtoMajor, protocol)
			}
		}
	}
}
