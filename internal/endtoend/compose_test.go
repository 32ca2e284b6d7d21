package endtoend

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// composed is examples/compose, or one that extends it, on an engine of the test's own.
type composed struct {
	*engine
	project string // a copy of the example
	data    string // directory of this machine and of the container
	s       *server
}

// startComposed readies an example, with lines of an .env file. It ends with the test.
func startComposed(t *testing.T, e *engine, example, env string) *composed {
	t.Helper()
	if _, err := exec.LookPath("docker-compose"); err != nil {
		lacking(t, "compose", "there is no docker-compose")
	}
	examples := t.TempDir()
	c := &composed{engine: e, project: filepath.Join(examples, example), data: filepath.Join(e.dir, example)}
	env += "PIZZERIA_DATA=" + c.data + "\n"
	// The example mounts the engine's socket from where Docker has it.
	env += "PIZZERIA_IMAGE=pizzeria\n"
	override := "services:\n  pizzeria:\n    healthcheck:\n      interval: 1s\n    volumes:\n      - " + strings.TrimPrefix(c.Host, "unix://") + ":/var/run/docker.sock\n"
	for _, name := range slices.Compact([]string{"compose", example}) {
		if err := os.CopyFS(filepath.Join(examples, name), os.DirFS("../../examples/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(c.project, ".env"), []byte(env), 0o600),
		os.WriteFile(filepath.Join(c.project, "compose.override.yaml"), []byte(override), 0o600)); err != nil {
		t.Fatal(err)
	}
	c.s = &server{t: t, port: 443, out: new(lockedBuffer), reach: func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, "127.0.0.1:443") }}
	t.Cleanup(func() { c.compose("down") }) // its ports are free again
	c.compose("up", "--detach")
	c.healthy()
	_, _ = c.s.out.Write([]byte(c.compose("logs", "--no-log-prefix", "pizzeria")))
	return c
}

// compose runs a command of Compose.
func (c *composed) compose(args ...string) string {
	c.t.Helper()
	out, err := c.command(c.project, "docker-compose", args...)
	if err != nil {
		c.t.Fatalf("docker compose %s: %v %s", strings.Join(args, " "), err, out)
	}
	return out
}

// healthy waits for the server, and trusts its authority.
func (c *composed) healthy() {
	c.t.Helper()
	c.s.eventually("the server is healthy", func() bool {
		id := c.compose("ps", "--quiet", "pizzeria")
		state := c.docker("inspect", "--format", "{{.State.Health.Status}} {{.RestartCount}}", id)
		if !strings.HasSuffix(state, " 0") {
			c.t.Fatalf("the server ends: %s", c.compose("logs", "pizzeria"))
		}
		return state == "healthy 0"
	})
	root, err := os.ReadFile(filepath.Join(c.data, "caddy/pki/authorities/local/root.crt"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.s.root = x509.NewCertPool()
	c.s.root.AppendCertsFromPEM(root)
}

// pizzeria runs the command line in the server's container.
func (c *composed) pizzeria(args ...string) string {
	c.t.Helper()
	return c.compose(append([]string{"exec", "--no-TTY", "pizzeria", "pizzeria"}, args...)...)
}

// instances are the containers that are not the server's, with their first processes and start times.
func (c *composed) instances() string {
	c.t.Helper()
	server := c.docker("ps", "--quiet", "--filter", "label=com.docker.compose.project=pizzeria")
	var out []string
	for _, id := range strings.Fields(c.docker("ps", "--quiet")) {
		if id != server {
			out = append(out, c.docker("inspect", "--format", "{{.Name}} {{.State.Pid}} {{.State.StartedAt}}", id))
		}
	}
	return strings.Join(out, "\n")
}

// testCompose: `docker compose up` is a whole installation. Its instances outlive the server's
// container, also over an upgrade, and those who reconnect are served; a backup as the example describes
// it brings everything back.
func testCompose(t *testing.T, e *engine) {
	c := startComposed(t, e, "compose", "")
	s := c.s
	ada := s.admin()
	s.composedOrg(c, ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := ada.submit(s.url("acme")+"/notes", url.Values{"text": {"buy flour"}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	before := c.instances()
	if strings.Count(before, "\n") != 0 || before == "" {
		t.Fatalf("instances: %s", before)
	}
	if shown := c.pizzeria("instance", "show", "acme"); !strings.Contains(shown, "Image: "+c.docker("image", "inspect", "--format", "{{.Id}}", "pizzeria")) {
		t.Errorf("which image it runs: %s", shown)
	}
	// An open WebSocket ends with the server, though the instance does not.
	open := make(chan error, 1)
	connect := func(what string) {
		t.Helper()
		ws, err := s.dial(ada, s.url("acme"))
		if err == nil {
			err = echoes(ws)
		}
		if err != nil {
			t.Fatalf("a WebSocket %s: %v", what, err)
		}
		go func() {
			_, _, err := ws.Read(context.Background())
			open <- err
		}()
	}
	same := func(what string) {
		t.Helper()
		c.healthy()
		s.eventually("acme is served after "+what, func() bool {
			a := ada.open(s.url("acme") + "/")
			return a.status == 200 && strings.Contains(a.body, "buy flour")
		})
		if after := c.instances(); after != before {
			t.Errorf("after %s: %s, not %s", what, after, before)
		}
		select {
		case err := <-open:
			if err == nil {
				t.Errorf("after %s: the instance wrote by itself", what)
			}
		case <-time.After(time.Minute):
			t.Errorf("after %s: the WebSocket of before is open", what)
		}
		connect("after " + what)
	}
	connect("at first")
	c.compose("restart", "pizzeria")
	same("a restart")

	// An upgrade: another image by the same name.
	if out, err := c.command(c.project, "sh", "-c", "printf 'FROM pizzeria\nLABEL next=yes\n' | docker build --tag pizzeria -"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	c.described("## Upgrade", "")
	if next := c.docker("inspect", "--format", "{{.Config.Labels.next}}", c.compose("ps", "--quiet", "pizzeria")); next != "yes" {
		t.Fatal("the server's container was not replaced")
	}
	same("an upgrade")
	c.docker("kill", c.compose("ps", "--quiet", "pizzeria"))
	c.compose("up", "--detach")
	same("a kill")

	// What the server may do, and no more.
	if got := c.docker("inspect", "--format", "{{.HostConfig.CapDrop}} {{len .HostConfig.CapAdd}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}}",
		c.compose("ps", "--quiet", "pizzeria")); got != "[ALL] 3 true [no-new-privileges:true]" {
		t.Errorf("the server's container: %s", got)
	}

	// A backup, and a new machine.
	backup := t.TempDir()
	c.described("**Back up**", backup)
	c.described("## Stop", backup)
	if left := c.docker("ps", "--all", "--quiet"); left != "" {
		t.Fatalf("containers are left: %s", left)
	}
	if err := os.RemoveAll(c.data); err != nil {
		t.Fatal(err)
	}
	c.described("**Restore**", backup)
	c.healthy()
	ada = s.person()
	if a := ada.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}}); a.status != 200 {
		t.Fatalf("sign-in: %d %s", a.status, a.body)
	}
	s.eventually("acme is there after a restore", func() bool {
		a := ada.open(s.url("acme") + "/")
		return a.status == 200 && strings.Contains(a.body, "buy flour")
	})
	c.pizzeria("down")
}

// described runs the commands that the example's README gives after some words, with the test's
// directories.
func (c *composed) described(after, backup string) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.project, "README.md"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), after)
	_, rest, _ = strings.Cut(rest, "```\n")
	code, _, found := strings.Cut(rest, "```")
	if !found {
		c.t.Fatalf("the README has no commands after %s", after)
	}
	elsewhere := filepath.Join(backup, "elsewhere")
	if backup != "" {
		if err := os.MkdirAll(elsewhere, 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	code = strings.NewReplacer("/var/lib/pizzeria", c.data, "/backup/", backup+"/", "/elsewhere", elsewhere, "docker compose", "docker-compose").Replace(code)
	if out, err := c.command(c.project, "bash", "-euc", code); err != nil {
		c.t.Fatalf("%s: %v %s", code, err, out)
	}
}

// composedOrg creates an org and waits until it is active.
func (s *server) composedOrg(c *composed, p *person, slug string) {
	s.t.Helper()
	p.call(s.t, "POST", s.url("")+"/api/v1/orgs", `{"slug":"`+slug+`","name":"`+slug+`"}`, 201, nil)
	s.eventually(slug+" is active", func() bool { return strings.Contains(c.pizzeria("org", "show", slug), "running") })
}
