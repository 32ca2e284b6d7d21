package endtoend

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

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

	program string // of the server; default: binary

	reach func(context.Context) (net.Conn, error) // reaches the server; default: its port on the loopback interface
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

// start runs a new installation, which ends with the test.
func start(t *testing.T) *server { t.Helper(); return startWith(t, "", "org_gateway") }

// startWith is start with options of pizzeria, what the orgs' site block holds, and
// variables added to the environment.
func startWith(t *testing.T, global, orgs string, env ...string) *server {
	t.Helper()
	s := newServer(t, global, orgs, env...)
	t.Cleanup(func() {
		if races := s.end(); races != "" {
			t.Error(races)
		}
		if t.Failed() {
			t.Logf("server output:\n%s", tail(s.out.String(), 8000))
		}
	})
	s.run()
	return s
}

// newServer makes an installation that does not run yet.
func newServer(t *testing.T, global, orgs string, env ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, port: freePort(t), root: ours.pool(), orgs: orgs, env: env}
	ours.give(t, filepath.Join(dir, "data"))
	s.write(s.caddyfile(global, 0))
	return s
}

// end stops the server and its instances, and removes the installation. It returns
// the data races that the server reported.
func (s *server) end() (races string) {
	_, _ = s.cli("", "down") // instances outlive the server, even one that a test has killed
	if s.cmd.ProcessState == nil {
		s.stop()
	}
	_ = os.RemoveAll(s.dir)
	if found := dataRaces(s.out.String()); len(found) > 0 {
		return "the server has a data race:\n" + strings.Join(found, "\n")
	}
	return ""
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (s *server) caddyfile(global string, grace int) string {
	if grace == 0 {
		grace = 1
	}
	return fmt.Sprintf(`{
	http_port %d
	skip_install_trust
	persist_config off
	grace_period %ds
	admin unix/./data/admin.sock|0600
	storage file_system ./data/caddy
	servers {
		listener_wrappers {
			org_connections
			tls
		}
	}
	metrics
	pizzeria {
		domain %s
		issuer https://%s:%d
		%s
	}
}
%s:%d {
	control_plane
}
*.%s:%d {
	%s
}
:%d {
	respond "No site here has this host name." 421
}
`, freePort(s.t), grace, domain, domain, s.port, global, domain, s.port, domain, s.port, s.orgs, s.port)
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
	s.cmd = exec.Command(cmp.Or(s.program, binary), "run")
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.out, s.out
	s.cmd.ExtraFiles = s.files
	s.cmd.Env = append(os.Environ(), "HOME="+filepath.Join(s.dir, "home"), "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	s.cmd.Env = append(s.cmd.Env, s.env...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the server is ready", func() bool {
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

// patience is how long a test waits for what must happen: on a machine that does much else, too.
const patience = 3 * time.Minute

// eventually waits for what happens outside this process.
func (s *server) eventually(what string, f func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
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
	host := domain
	if slug != "" {
		host = slug + "." + domain
	}
	if s.port == 443 {
		return host
	}
	return fmt.Sprintf("%s:%d", host, s.port)
}

func (s *server) url(slug string) string { return "https://" + s.host(slug) }

func (s *server) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.root, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if s.reach != nil {
				return s.reach(ctx)
			}
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
	return &http.Client{Transport: s.transport(), Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
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
	var o struct {
		Status   string
		Instance struct{ State string }
	}
	s.eventually(slug+" is active", func() bool {
		return s.operator("/orgs/"+slug, &o) == nil && o.Status == "active" && o.Instance.State == "running"
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

// operator reads a path of the API into v, over the admin socket.
func (s *server) operator(path string, v any) error {
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(s.dir, "data/admin.sock"))
		},
	}}
	res, err := c.Get("http://localhost/pizzeria/api/v1" + path)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// sql changes the running server's database, for what no request can do.
func (s *server) sql(statement string) {
	s.t.Helper()
	servertest.SQL(s.t, filepath.Join(s.dir, "data"), statement)
}

// cli runs the program's own CLI in the server's directory.
func (s *server) cli(stdin string, args ...string) (string, error) {
	cmd := exec.Command(cli, args...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), "HOME="+filepath.Join(s.dir, "home")), s.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
