package endtoend

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// loopbackProxy leads every HTTPS connection to this server: a resolver knows no name below
// localhost.
func (s *server) loopbackProxy() string {
	s.t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err != nil || r.Method != http.MethodConnect {
			http.Error(w, "no way", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = to.Close()
			return
		}
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}()
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}))
	s.t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestAgentElsewhere: with what `instance environment` prints, an agent elsewhere checks assertions
// by the keys' address, refuses another org's, and pushes the heartbeat that `instance show` prints.
func TestAgentElsewhere(t *testing.T) {
	t.Parallel()
	s := startWith(t, "provider process\n\t\tprovider external", "org_gateway")
	ada := s.admin()
	acme := s.org(ada, "acme")
	s.org(ada, "globex")
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	if out, err := s.reload(s.caddyfile(fmt.Sprintf(
		"provider process\n\t\tprovider external {\n\t\t\tinstance %s %s\n\t\t\tchecks_assertions\n\t\t}\n",
		acme, address), 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	if out, err := s.cli("", "org", "update", "acme", "--provider", "external", "--without-data"); err != nil {
		t.Fatalf("%s", out)
	}
	s.eventually("it is led elsewhere", func() bool {
		out, err := s.cli("", "instance", "show", "acme")
		return err == nil && strings.Contains(out, "external")
	})
	env, err := s.cli("", "instance", "environment", "acme")
	if err != nil || !strings.Contains(env, "\nPIZZERIA_ORG_GENERATION=-1\n") {
		t.Fatalf("%v %s", err, env)
	}
	dir, log := t.TempDir(), &lockedBuffer{}
	agent := exec.Command(filepath.Join(filepath.Dir(binary), "pizzeria-agent"), "--required", "--", binary, "sample-instance")
	agent.Dir, agent.Stdout, agent.Stderr = dir, log, log
	agent.Env = []string{
		"PIZZERIA_LISTEN=" + address, "PIZZERIA_DATA_DIR=" + dir, "HOME=" + dir,
		"HTTPS_PROXY=" + s.loopbackProxy(),
		"PIZZERIA_CA_FILE=" + filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"),
	}
	for line := range strings.Lines(env) {
		if !strings.HasPrefix(line, "#") {
			agent.Env = append(agent.Env, strings.Trim(strings.TrimSpace(line), "'"))
		}
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	s.eventually("it is served from elsewhere", func() bool {
		a := ada.open(s.url("acme") + "/whoami")
		return a.status == http.StatusOK && strings.Contains(a.body, acme)
	})
	s.eventually("its heartbeat is shown", func() bool {
		out, err := s.cli("", "instance", "show", "acme", "-o", "json")
		return err == nil && strings.Contains(out, `"heartbeat"`) && strings.Contains(out, `"health": "ok"`)
	})
	ask := func(assertion string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/whoami", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Pizzeria-Assertion", assertion)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	c := &scene{server: s}
	own, _ := c.assertionOf(ada, "acme")
	other, _ := c.assertionOf(ada, "globex")
	for token, want := range map[string]int{own: http.StatusOK, other: http.StatusUnauthorized} {
		if got := ask(token); got != want {
			t.Errorf("%d, want %d; log: %s", got, want, log.String())
		}
	}
}
