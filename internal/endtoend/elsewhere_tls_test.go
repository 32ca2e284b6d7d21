package endtoend

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestExternalProviderOverTLS: an instance behind a TLS server gets pages, posts and WebSockets;
// one whose certificate is not trusted gets nothing.
func TestExternalProviderOverTLS(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", "org_gateway")
	ada := s.admin()
	acme := s.org(ada, "acme")
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	app := exec.Command(binary, "sample-instance")
	app.Dir = t.TempDir()
	app.Env = []string{
		"PIZZERIA_ORG_ID=" + acme, "PIZZERIA_ORG_GENERATION=-1", "PIZZERIA_ISSUER=" + s.url(""),
		"PIZZERIA_JWKS_FILE=" + filepath.Join(s.dir, "data/keys/assertion-jwks.json"),
		"PIZZERIA_LISTEN=" + address, "PIZZERIA_DATA_DIR=" + app.Dir, "HOME=" + app.Dir,
		"PIZZERIA_PUBLIC_URL=" + s.url("acme"),
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = app.Process.Kill()
		_ = app.Wait()
	})
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	front := httptest.NewUnstartedServer(behind)
	var connections atomic.Int64
	front.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	front.StartTLS()
	t.Cleanup(front.Close)
	ca := filepath.Join(s.dir, "ca.pem")
	write := func(cert *x509.Certificate) {
		t.Helper()
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if err := os.WriteFile(ca, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	use := func(n int) {
		t.Helper()
		global := fmt.Sprintf(`provider process
		provider external {
			instance %s %s
			tls {
				ca ca.pem
				server_name example.com
			}
		}
		`, acme, front.Listener.Addr())
		if out, err := s.reload(s.caddyfile(global, n)); err != nil {
			t.Fatalf("reload: %s", out)
		}
	}
	write(front.Certificate())
	use(1)
	out, err := s.cli("", "org", "update", "acme", "--provider", "external", "--without-data")
	if err != nil {
		t.Fatalf("%s", out)
	}
	s.eventually("it is served over TLS", func() bool {
		out, err := s.cli("", "instance", "show", "acme", "-o", "json")
		return err == nil && strings.Contains(out, `"tls/`+front.Listener.Addr().String()+`"`) &&
			strings.Contains(out, `"state": "running"`)
	})
	before := connections.Load()
	for range 10 {
		a := ada.open(s.url("acme") + "/whoami")
		if a.status != http.StatusOK || !strings.Contains(a.body, acme) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := connections.Load() - before; n > 5 { // health checks among them
		t.Errorf("%d connections for ten requests", n)
	}
	ws, err := s.dial(ada, s.url("acme"))
	if err == nil {
		err = servertest.Echo(ws)
		_ = ws.CloseNow()
	}
	if err != nil {
		t.Errorf("a WebSocket: %v", err)
	}
	a := ada.fetch("POST", s.url("acme")+"/size", "basil")
	if a.status != http.StatusOK || !strings.Contains(a.body, "5") {
		t.Errorf("a post: %d %s", a.status, a.body)
	}

	write(elsewhere.cert)
	use(2)
	if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
		t.Fatalf("%s", out)
	}
	s.eventually("it is not trusted", func() bool {
		out, err := s.cli("", "instance", "show", "acme", "-o", "json")
		return err == nil && strings.Contains(out, "certificate signed by unknown authority")
	})
	if a := ada.open(s.url("acme") + "/whoami"); a.status != http.StatusServiceUnavailable {
		t.Errorf("not trusted: %d", a.status)
	}
}
