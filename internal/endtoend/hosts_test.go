package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// askHost asks c for a URL of another host, and returns the answer and its body.
func (s *server) askHost(c *http.Client, url, host string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = host
	res, err := c.Do(req)
	if err != nil {
		s.t.Fatalf("%s: %v", host, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s: %v", host, err)
	}
	return res, string(b)
}

// TestHostsOfNoSite: a host that no site names is never answered as if all were well.
func TestHostsOfNoSite(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.anonymous()
	defer c.CloseIdleConnections()
	for _, host := range []string{
		domain + ".", "acme." + domain + ".", fmt.Sprintf("acme.%s.:%d", domain, s.port),
		"elsewhere.example", "a.b." + domain, domain + ".evil.example", "127.0.0.1", "localhost", "acme",
	} {
		if res, body := s.askHost(c, s.url(""), host); res.StatusCode != http.StatusMisdirectedRequest || body == "" {
			t.Errorf("%s: %d %q", host, res.StatusCode, body)
		}
	}
	for _, host := range []string{s.host(""), strings.ToUpper(s.host("")), domain} {
		if res, _ := s.askHost(c, s.url("")+"/healthz", host); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", host, res.StatusCode)
		}
	}
}

// TestRedirectToHTTPS: http leads to the port of the site, and not to 443.
func TestRedirectToHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t)
	b, err := os.ReadFile(filepath.Join(s.dir, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`http_port (\d+)`).FindStringSubmatch(string(b))[1]
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, slug := range []string{"", "acme"} {
		host := strings.Replace(s.host(slug), fmt.Sprint(s.port), port, 1)
		res, _ := s.askHost(c, "http://127.0.0.1:"+port+"/a?b=c", host)
		want := s.url(slug) + "/a?b=c"
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || got != want {
			t.Errorf("%s: %d %q, want %q", host, res.StatusCode, got, want)
		}
	}
	const warning = "redirects from http lead to port 443"
	if strings.Contains(s.out.String(), warning) {
		t.Error("it warns without a reason")
	}
	with := fmt.Sprintf("http_port %s\n\thttps_port %d\n", port, s.port)
	if out, err := s.reload(strings.Replace(string(b), "http_port "+port+"\n", with, 1)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	if !strings.Contains(s.out.String(), warning) {
		t.Error("it does not warn of redirects to another port")
	}
}
