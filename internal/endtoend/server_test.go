// Package endtoend tests the real binary from outside: over TLS, with its CLI,
// in a browser, and as an attacker.
package endtoend

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "mirror" {
		mirror()
		return
	}
	dir, err := os.MkdirTemp("", "pz")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "pizzeria")
	build := exec.Command("go", slices.Concat([]string{"build"}, buildFlags, []string{"-o", binary, "./cmd/pizzeria"})...)
	build.Dir = "../.." // the main module: this one cannot build its commands
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const domain = "pizzapi.localhost"

// server is one running installation.
type server struct {
	t     *testing.T
	dir   string
	port  int
	cmd   *exec.Cmd
	out   *lockedBuffer
	root  *x509.CertPool
	orgs  string     // the orgs' site block
	files []*os.File // that it inherits, from descriptor 3 on
	env   []string   // on top of its environment
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// start runs a new installation, which ends with the test.
func start(t *testing.T) *server { t.Helper(); return startWith(t, "", "org_gateway") }

// startWith is start with options of pizzeria, and with what the orgs' site block holds.
func startWith(t *testing.T, global, orgs string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, port: freePort(t), orgs: orgs}
	s.write(s.caddyfile(global, 0))
	t.Cleanup(func() {
		_, _ = s.cli("", "down") // instances outlive the server, also one that a test has ended
		if s.cmd.ProcessState == nil {
			s.stop()
		}
		if strings.Contains(s.out.String(), "DATA RACE") {
			t.Errorf("the server has a data race:\n%s", s.out.String())
		}
		if t.Failed() {
			t.Logf("server output:\n%s", tail(s.out.String(), 8000))
		}
		_ = os.RemoveAll(dir)
	})
	s.run()
	return s
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (s *server) caddyfile(global string, grace int) string {
	if grace == 0 {
		grace = 1
	}
	return fmt.Sprintf(`{
	http_port %d
	https_port %d
	skip_install_trust
	persist_config off
	grace_period %ds
	admin unix/./data/admin.sock|0600
	storage file_system ./data/caddy
	metrics
	pizzeria {
		domain %s
		issuer https://%s:%d
		%s
	}
}
%s {
	control_plane
}
*.%s {
	%s
}
`, freePort(s.t), s.port, grace, domain, domain, s.port, global, domain, domain, s.orgs)
}

func (s *server) write(caddyfile string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the process and waits until it is ready.
func (s *server) run() {
	s.t.Helper()
	s.out = &lockedBuffer{}
	s.cmd = exec.Command(binary, "run")
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.out, s.out
	s.cmd.ExtraFiles = s.files
	s.cmd.Env = append(os.Environ(), "HOME="+filepath.Join(s.dir, "home"), "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	s.cmd.Env = append(s.cmd.Env, s.env...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the server is ready", func() bool {
		pem, err := os.ReadFile(filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"))
		if err != nil {
			return false
		}
		s.root = x509.NewCertPool()
		s.root.AppendCertsFromPEM(pem)
		res, err := s.anonymous().Get(s.url("") + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// eventually waits for what happens outside this process, up to 30 s.
func (s *server) eventually(what string, f func() bool) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			s.t.Fatalf("it never happened that %s; server output:\n%s", what, tail(s.out.String(), 6000))
		case <-tick.C:
		}
	}
}

// host is an org's authority, or with "" the control plane's.
func (s *server) host(slug string) string {
	if slug == "" {
		return fmt.Sprintf("%s:%d", domain, s.port)
	}
	return fmt.Sprintf("%s.%s:%d", slug, domain, s.port)
}

func (s *server) url(slug string) string { return "https://" + s.host(slug) }

func (s *server) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.root, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			if !strings.HasPrefix(address, "localhost:") { // a provider elsewhere
				address = fmt.Sprintf("127.0.0.1:%d", s.port)
			}
			return d.DialContext(ctx, network, address)
		},
	}
}

// anonymous is a client without cookies that follows no redirects.
func (s *server) anonymous() *http.Client {
	return &http.Client{Transport: s.transport(), Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

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

func (p *person) do(method, target string, body io.Reader, header map[string]string) answer {
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
		p.s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return answer{res.StatusCode, string(b), res.Header, res.Request.URL}
}

// open is a top-level navigation.
func (p *person) open(target string) answer {
	p.s.t.Helper()
	return p.do("GET", target, nil, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
}

// status is that of a top-level navigation, 0 when it is cut off.
func (p *person) status(target string) int {
	p.s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		p.s.t.Fatal(err)
	}
	for k, v := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		req.Header.Set(k, v)
	}
	res, err := p.c.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
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

var setupLink = regexp.MustCompile(`https://\S+/setup/\S+`)

const password = "correct horse battery"

// admin sets the installation up and returns its platform admin, signed in.
func (s *server) admin() *person {
	s.t.Helper()
	p := s.person()
	s.eventually("the set-up link is printed", func() bool { return setupLink.MatchString(s.out.String()) })
	a := p.submit(setupLink.FindString(s.out.String()), url.Values{"name": {"Ada Admin"}, "email": {"ada@example.com"}, "password": {password}})
	if a.status != 200 || a.url.Path != "/orgs/new" {
		s.t.Fatalf("set-up: %d at %s: %s", a.status, a.url, a.body)
	}
	return p
}

// org creates an org and waits until it is active.
func (s *server) org(p *person, slug string) string {
	s.t.Helper()
	a := p.fetch("POST", s.url("")+"/api/v1/orgs", fmt.Sprintf(`{"slug":%q,"name":"The %s org"}`, slug, slug))
	if a.status != http.StatusCreated {
		s.t.Fatalf("create %s: %d %s", slug, a.status, a.body)
	}
	var o struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		s.t.Fatal(err)
	}
	s.active(slug)
	return o.ID
}

// active waits until an org is served.
func (s *server) active(slug string) {
	s.t.Helper()
	s.eventually(slug+" is active", func() bool {
		out, err := s.cli("", "org", "show", slug, "-o", "json")
		return err == nil && strings.Contains(out, `"status": "active"`) && strings.Contains(out, `"state": "running"`)
	})
}

// invite makes a new person a member and returns them signed in.
func (s *server) invite(by *person, slug, email, role string) *person {
	s.t.Helper()
	a := by.fetch("POST", s.url("")+"/api/v1/orgs/"+slug+"/invites", fmt.Sprintf(`{"email":%q,"role":%q}`, email, role))
	var v struct{ Link string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusCreated {
		s.t.Fatalf("invite: %d %s", a.status, a.body)
	}
	p := s.person()
	name, _, _ := strings.Cut(email, "@")
	if a := p.submit(v.Link, url.Values{"name": {name}, "password": {password}}); a.status != 200 {
		s.t.Fatalf("accept: %d %s", a.status, a.body)
	}
	return p
}

// cli runs the program's own CLI in the server's directory.
func (s *server) cli(stdin string, args ...string) (string, error) {
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(s.dir, "home"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
