package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	domain   = "pizzapi.localhost"
	password = "correct horse battery"
	email    = "bench@example.com"
)

// servers is one process with the gateway, and one with the plain proxies.
type servers struct {
	dir, binary         string
	ours, plain         *exec.Cmd
	port, port2, tuned2 int
	quiet2              int // of the plain proxy to the org quiet
	http, limited       int // ports of ours: without TLS, and with a limit of rateLimit
	http2               int // port of plain without TLS
	tls                 *tls.Config
	client              *http.Client
	orgCookie           string
}

// startServers builds the program and starts both.
func startServers() (*servers, error) {
	s, err := startOurs("", "")
	if err != nil {
		return nil, err
	}
	if err := s.startPlain(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// startOurs starts an installation of its own with the org acme, and somebody signed in. It builds the program unless binary is one.
// Its provider is that of processes, unless the Caddyfile's lines for another are given.
func startOurs(binary, provider string) (_ *servers, err error) {
	s := &servers{binary: binary}
	if s.dir, err = os.MkdirTemp("/tmp", "pz"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if binary == "" {
		s.binary = filepath.Join(s.dir, "pizzeria")
		if out, err := exec.Command("go", "build", "-o", s.binary, "./cmd/pizzeria").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building: %s", out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if provider == "" {
		provider = fmt.Sprintf("process {\n\t\t\tcommand %s upstream\n\t\t}", self)
	}
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	s.port, s.http, s.limited = ports[0], ports[1], ports[2]
	config := fmt.Sprintf(`{
	http_port %d
	https_port %d
	skip_install_trust
	persist_config off
	admin unix/./data/admin.sock|0600
	storage file_system ./data/caddy
	log {
		level ERROR
	}
	pizzeria {
		domain %s
		issuer https://%s:%d
		provider %s
	}
}
%s {
	control_plane
}
*.%s {
	org_gateway
}
http://*.%s:%d {
	org_gateway
}
*.%s:%d {
	route {
		org
		org_auth
		org_limit {
			rate %d
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}
}
`, ports[3], s.port, domain, domain, s.port, provider, domain, domain, domain, s.http, domain, s.limited, rateLimit)
	if err = s.launch(config); err != nil {
		return nil, err
	}
	_, err = s.newOrg("acme")
	return s, err
}

// launch starts an installation with a Caddyfile, and signs its first account in.
func (s *servers) launch(config string) (err error) {
	if s.ours, err = s.start("ours", config); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	create := exec.Command(s.binary, "user", "create", email, "--name", "Bench", "--platform-admin")
	create.Dir, create.Stdin = filepath.Join(s.dir, "ours"), strings.NewReader(password)
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("user create: %s", out)
	}
	return s.signIn()
}

// socket is where acme's instance listens.
func (s *servers) socket() (string, error) {
	found, err := filepath.Glob(filepath.Join(s.dir, "ours/data/run/*/app.sock"))
	if err != nil || len(found) != 1 {
		return "", errors.New("the instance has no socket")
	}
	return found[0], nil
}

// idleConnections is what transport org keeps open to an instance.
const idleConnections = 256

func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (s *servers) start(name, caddyfile string) (*exec.Cmd, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.binary, "run")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "HOME="+dir)
	return cmd, cmd.Start()
}

func (s *servers) stop() {
	if s.ours != nil {
		down := exec.Command(s.binary, "down")
		down.Dir = filepath.Join(s.dir, "ours")
		_ = down.Run()
	}
	for _, cmd := range []*exec.Cmd{s.ours, s.plain} {
		if cmd != nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
	_ = os.RemoveAll(s.dir)
}

func (s *servers) url(slug string) string {
	if slug == "" {
		return fmt.Sprintf("https://%s:%d", domain, s.port)
	}
	return fmt.Sprintf("https://%s.%s:%d", slug, domain, s.port)
}

func (s *servers) ready() error {
	var last error
	for range 200 {
		time.Sleep(50 * time.Millisecond) // the server is a process of its own
		pem, err := os.ReadFile(filepath.Join(s.dir, "ours/data/caddy/pki/authorities/local/root.crt"))
		if err != nil {
			last = err
			continue
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		s.tls = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		s.client = s.newClient(nil)
		res, err := s.client.Get(s.url("") + "/readyz")
		if err != nil {
			last = err
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the server does not come up: %w", last)
}

// newClient is a browser: with a jar, or a new one.
func (s *servers) newClient(jar http.CookieJar) *http.Client {
	if jar == nil {
		jar, _ = cookiejar.New(nil) // never fails
	}
	return &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: s.tls, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.port))
		},
	}}
}

func (s *servers) do(c *http.Client, method, target, body string, header map[string]string) (int, string, error) {
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

var navigation = map[string]string{"Accept": "text/html", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

func (s *servers) own() map[string]string {
	return map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.url(""), "Content-Type": "application/json"}
}

func (s *servers) signIn() error {
	h := s.own()
	h["Content-Type"] = "application/x-www-form-urlencoded"
	code, body, err := s.do(s.client, "POST", s.url("")+"/sign-in", url.Values{"email": {email}, "password": {password}}.Encode(), h)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("sign-in: %d %s", code, body)
	}
	return err
}

// newOrg creates an org and opens its page; it returns the time from one to the other.
func (s *servers) newOrg(slug string) (time.Duration, error) {
	began := time.Now()
	body, err := json.Marshal(map[string]string{"slug": slug, "name": slug})
	if err != nil {
		return 0, err
	}
	if code, text, err := s.do(s.client, "POST", s.url("")+"/api/v1/orgs", string(body), s.own()); err != nil || code != http.StatusCreated {
		return 0, fmt.Errorf("create %s: %d %s %w", slug, code, text, err)
	}
	// A request that is no page is held until the org is there; without a session it is then a 401.
	if code, text, err := s.do(s.client, "GET", s.url(slug)+"/", "", nil); err != nil || code != http.StatusUnauthorized {
		return 0, fmt.Errorf("%s: %d %s %w", slug, code, text, err)
	}
	if code, text, err := s.do(s.client, "GET", s.url(slug)+"/", "", navigation); err != nil || code != http.StatusOK || len(text) != 1024 {
		return 0, fmt.Errorf("open %s: %d %s %w", slug, code, text, err)
	}
	took := time.Since(began)
	if slug == "acme" {
		s.orgCookie = s.cookieFor(slug)
	}
	return took, nil
}

// enter makes the org session anew: an old one is renewed in answers, which would be measured as well.
func (s *servers) enter(slug string) error {
	u, _ := url.Parse(s.url(slug))
	s.client.Jar.SetCookies(u, []*http.Cookie{{Name: orgCookie, Path: "/", Secure: true, MaxAge: -1}})
	code, text, err := s.do(s.client, "GET", s.url(slug)+"/", "", navigation)
	if err != nil || code != http.StatusOK {
		return fmt.Errorf("%s: %d %.300s %w", slug, code, text, err)
	}
	return nil
}

// cookieFor is the org session of who is signed in.
func (s *servers) cookieFor(slug string) string {
	u, _ := url.Parse(s.url(slug))
	for _, c := range s.client.Jar.Cookies(u) {
		if c.Name == orgCookie {
			return c.Value
		}
	}
	return ""
}

// orgs times creations, and switches of somebody signed in to an org not yet visited.
func (s *servers) orgs(n int) (created, switched quantiles, err error) {
	var create, change []time.Duration
	control, _ := url.Parse(s.url(""))
	for i := range n {
		took, err := s.newOrg(fmt.Sprintf("org-%d", i))
		if err != nil {
			return created, switched, err
		}
		create = append(create, took)
		jar, _ := cookiejar.New(nil)
		jar.SetCookies(control, s.client.Jar.Cookies(control))
		for _, c := range s.client.Jar.Cookies(control) {
			jar.SetCookies(control, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
		}
		browser := s.newClient(jar)
		// It has a connection to the control plane, as somebody who comes from there has.
		if _, _, err := s.do(browser, "GET", s.url("")+"/healthz", "", nil); err != nil {
			return created, switched, err
		}
		began := time.Now()
		if code, text, err := s.do(browser, "GET", s.url("acme")+"/", "", navigation); err != nil || code != http.StatusOK || len(text) != 1024 {
			return created, switched, fmt.Errorf("switch: %d %s %w", code, text, err)
		}
		change = append(change, time.Since(began))
		browser.CloseIdleConnections()
	}
	return quantilesOf(create), quantilesOf(change), nil
}

func quantilesOf(d []time.Duration) quantiles {
	slices.Sort(d)
	return quantiles{N: len(d), P50: d[len(d)/2], P95: d[len(d)*95/100]}
}
