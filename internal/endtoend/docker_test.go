package endtoend

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestContainers: what examples describe that run in containers, on a real engine.
func TestContainers(t *testing.T) {
	e := startEngine(t)
	e.image()
	t.Run("registry", func(t *testing.T) { testRegistry(t, e.of(t)) })
	t.Run("image", func(t *testing.T) { testImage(t, e.of(t)) })
	t.Run("compose", func(t *testing.T) { testCompose(t, e.of(t)) })
	t.Run("node-app", func(t *testing.T) { testNodeImage(t, e.of(t)) })
	t.Run("python-app", func(t *testing.T) { testPythonImage(t, e.of(t)) })
	t.Run("pizzapi", func(t *testing.T) { testPizzaPiCompose(t, e.of(t)) })
}

// testImage: the image serves orgs as a user without any privilege, keeps them in its volume, and says
// whether it is healthy.
func testImage(t *testing.T, e *engine) {
	start := func() {
		t.Helper()
		e.docker("run", "--detach", "--name", "pizzeria", "--publish", "127.0.0.1:8443:8443", "--volume", "pizzeria:/data", "--health-interval", "1s",
			"--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "pizzeria")
		(&server{t: t, out: new(lockedBuffer)}).eventually("the container is healthy", func() bool {
			return e.docker("inspect", "--format", "{{.State.Health.Status}}", "pizzeria") == "healthy"
		})
	}
	start()
	if arch := e.docker("image", "inspect", "--format", "{{.Architecture}}", "pizzeria"); arch != runtime.GOARCH {
		t.Errorf("the image is for %s", arch)
	}
	e.docker("exec", "pizzeria", "pizzeria", "org", "create", "acme", "--wait")

	volume := e.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "pizzeria")
	info, err := os.Stat(volume)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 65532 {
		t.Errorf("the volume belongs to %d", owner)
	}
	root, err := os.ReadFile(filepath.Join(volume, "caddy/pki/authorities/local/root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, port: 8443, root: x509.NewCertPool(), reach: func(ctx context.Context) (net.Conn, error) { return e.Dial(ctx, "127.0.0.1:8443") }}
	s.root.AppendCertsFromPEM(root)
	serves := func() {
		t.Helper()
		res, err := s.anonymous().Get(s.url("acme") + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("acme answers %d to nobody", res.StatusCode)
		}
	}
	serves()

	// A new container, as after an upgrade, has everything.
	e.docker("stop", "pizzeria")
	if code := e.docker("inspect", "--format", "{{.State.ExitCode}}", "pizzeria"); code != "0" {
		t.Errorf("it stops with %s", code)
	}
	e.docker("rm", "pizzeria")
	start()
	s.eventually("acme is up again", func() bool {
		return strings.Contains(e.docker("exec", "pizzeria", "pizzeria", "org", "show", "acme"), "running")
	})
	serves()

	// Without its server it is not healthy.
	if out, err := e.command("", "docker", "run", "--rm", "--entrypoint", "/usr/bin/pizzeria", "pizzeria", "status"); err == nil {
		t.Errorf("status without a server: %s", out)
	}
	e.docker("rm", "--force", "--volumes", "pizzeria")
}
