package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patient holds requests for as long as a slow machine may take.
const patient = "route {\norg {\nhold 90s\n}\norg_auth\nreverse_proxy {\ndynamic org\ntransport org\n}\n}"

// TestRestartUnderLoad: an instance restarts again and again, and no request fails: reads, writes and new WebSockets wait for it.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", patient)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	cookie := ada.cookie(s.url("acme"), orgCookie)
	var requests, failed atomic.Int64
	end := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			c := s.anonymous()
			c.Timeout = 2 * time.Minute
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				method, path, body := "GET", "/whoami", ""
				if worker%2 == 1 {
					method, path, body = "POST", "/size", strings.Repeat("x", 100)
				}
				req, err := http.NewRequest(method, s.url("acme")+path, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Cookie", orgCookie+"="+cookie)
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				req.Header.Set("Origin", s.url("acme"))
				res, err := c.Do(req)
				requests.Add(1)
				if err != nil {
					failed.Add(1)
					t.Errorf("%s %s: %v", method, path, err)
					continue
				}
				if res.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("%s %s: %d", method, path, res.StatusCode)
				}
				_ = res.Body.Close()
			}
		})
	}
	restarts := 0
	for ; restarts < 5 || requests.Load() < 50 && !t.Failed(); restarts++ {
		if out, err := s.cli("", "instance", "restart", "acme", "--wait"); err != nil {
			t.Errorf("restart: %s", out)
		}
		ws, err := s.dial(ada, s.url("acme"))
		if err != nil {
			t.Errorf("WebSocket after restart %d: %v", restarts, err)
			continue
		}
		_ = ws.CloseNow()
	}
	close(end)
	wg.Wait()
	t.Logf("%d requests over %d restarts, %d failed", requests.Load(), restarts, failed.Load())
}

// TestCrash: an instance that is killed is back by itself, and what comes meanwhile waits for it.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", patient)
	ada := s.admin()
	ada.c.Timeout = 2 * time.Minute
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	killed := s.processes(filepath.Join(s.dir, "data"))
	for _, pid := range killed {
		_ = exec.Command("kill", "-KILL", pid).Run() // one may have ended with another
	}
	// What a dying instance has taken in it may have acted on: such a request is not sent twice.
	s.eventually("they are dead", func() bool {
		return !slices.ContainsFunc(killed, alive)
	})
	if a := ada.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 {
		t.Errorf("after a crash: %d %s", a.status, a.body)
	}
}

// TestOwnPages: the gateway's own pages come from the operator's template.
func TestOwnPages(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", "org_gateway")
	if err := os.WriteFile(filepath.Join(s.dir, "page.html"), []byte(`<!doctype html><title>Ours</title><p id="own">{{.Status}} {{.Title}} {{.RequestID}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(page string) string {
		return strings.Replace(s.caddyfile("", 0), "org_gateway", "route {\norg {\npage "+page+"\n}\norg_auth\nreverse_proxy {\ndynamic org\ntransport org\n}\n}", 1)
	}
	if out, err := s.reload(config("page.html")); err != nil {
		t.Fatalf("%s", out)
	}
	if a := s.person().open(s.url("nosuch") + "/"); a.status != 404 || !strings.Contains(a.body, `<p id="own">404 No org has this address`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.person().do("GET", s.url("nosuch")+"/", nil, map[string]string{"Accept": "application/json"}); !strings.Contains(a.body, `"status":404`) {
		t.Errorf("a program gets %s", a.body)
	}
	for name, text := range map[string]string{"syntax": "{{.Title", "unknown field": "\n{{.Nope}}"} {
		if err := os.WriteFile(filepath.Join(s.dir, "bad.html"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := s.reload(config("bad.html")); err == nil || !strings.Contains(out, "bad.html:") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	if a := s.person().open(s.url("nosuch") + "/"); !strings.Contains(a.body, `id="own"`) {
		t.Errorf("after the failed configs: %s", fmt.Sprint(a.status, a.body))
	}
}
