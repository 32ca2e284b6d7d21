//go:build linux || darwin

package agent

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/processtree"
	"github.com/pizzaface/pizzeria/provision"
)

// TestEnvironment: the app listens at PORT, and knows nothing that is the agent's.
func TestEnvironment(t *testing.T) {
	f := started(t, nil)
	res, err := f.client.Get("http://app/environment")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var env []string
	if err := json.NewDecoder(res.Body).Decode(&env); err != nil {
		t.Fatal(err)
	}
	port := f.a.port.String()
	want := []string{"AGENT_TEST=app", "GORACE=atexit_sleep_ms=0", "HOST=127.0.0.1", "PASSWORD=hunter22", "PATH=" + os.Getenv("PATH"), "PIZZERIA_LISTEN=127.0.0.1:" + port, "PORT=" + port}
	if slices.Sort(env); !slices.Equal(env, want) {
		t.Errorf("%q", env)
	}
}

// TestPorts: two agents of one machine never tell their apps the same port, and an operator may
// choose it.
func TestPorts(t *testing.T) {
	p, err := reservePort("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reservePort(p.String()); err == nil && runtime.GOOS == "linux" {
		t.Error("another agent gets the same port")
	}
	p.release()
	again, err := reservePort(p.String())
	if err != nil {
		t.Fatal(err)
	}
	again.release()
	for _, wrong := range []string{"unix:/x", "0", "65536", "-1"} {
		if _, err := reservePort(wrong); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// TestNotUpYet: while the app does not listen, requests are answered at once.
func TestNotUpYet(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Command = append(c.Command, "sidecar") })
	if status, _ := f.get("/healthz", nil); status != http.StatusBadGateway {
		t.Error(status)
	}
}

// TestEnds: the agent says how the app ended, and nothing that comes from it is left.
func TestEnds(t *testing.T) {
	f := started(t, func(c *Config) { c.Command = append(c.Command, "escape") })
	_, pid, _ := strings.Cut(f.logged("child="), "=")
	child, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	f.a.Signal(syscall.SIGKILL)
	if status := f.a.Wait(); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("%v", status)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err == nil && processtree.Limits == "" {
		t.Error("its processes still run")
	}
	f = newFixture(t, func(c *Config) { c.Command = append(c.Command, "fail") })
	if status := f.a.Wait(); status.ExitStatus() != 7 {
		t.Errorf("%v", status)
	}
	_, err = Start(Config{Command: []string{"/no/such/program"}})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

// TestSidecars: they have the app's environment, start again, and end after the app.
func TestSidecars(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := started(t, func(c *Config) { c.Sidecars = [][]string{{self, "sidecar"}} })
	msg := f.logged("sidecar=")
	if !strings.HasSuffix(msg, "port="+f.a.port.String()) {
		t.Error(msg)
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(strings.Fields(msg)[0], "sidecar="))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.eventually("it starts again", func() bool { return strings.Count(f.log.String(), "sidecar=") == 2 })
	f.a.Stop(time.Minute)
	var ends []string
	for _, l := range f.lines() {
		if strings.HasPrefix(l.Msg, "sidecar ends") {
			ends = append(ends, l.Msg)
		}
	}
	if !slices.Equal(ends, []string{"sidecar ends"}) {
		t.Errorf("%q", ends)
	}
	if _, err := Start(Config{Command: []string{self}, Sidecars: [][]string{{"/no/such/sidecar"}}}); err == nil || !strings.Contains(err.Error(), "sidecar") {
		t.Error(err)
	}
}

// TestOwnSocket: the host side asks with the credential; the app cannot without it.
func TestOwnSocket(t *testing.T) {
	f := started(t, nil)
	f.websocket(f.assertion(nil))
	for _, path := range []string{"/heartbeat", "/metrics", "/revoke"} {
		for _, with := range []string{"", "x", credential + "x", strings.ToUpper(credential)} {
			if status, _ := f.ask(http.MethodGet, path, "", with); status != 401 {
				t.Errorf("%s with %q: %d", path, with, status)
			}
		}
	}
	status, body := f.ask(http.MethodGet, "/heartbeat", "", credential)
	var h provision.Heartbeat
	if err := json.Unmarshal([]byte(body), &h); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if h.OrgID != "acme-id" || h.Generation != 3 || h.Health != "degraded" || h.Version != "9" || !h.Busy ||
		h.Sessions == nil || *h.Sessions != 3 || h.Runners != nil || h.Sockets != 1 || h.Agent == "" || h.Disk == 0 || h.StartedAt.IsZero() {
		t.Errorf("%s", body)
	}
	if cpu, _ := used(); cpu > 0 && (h.Memory < 1<<20 || h.CPU <= 0) {
		t.Errorf("%s", body)
	}
	if status, _ := f.get("/", as("x")); status != 401 {
		t.Error(status)
	}
	if _, body = f.ask(http.MethodGet, "/metrics", "", credential); !strings.HasSuffix(body, "\napp_things 5\n") {
		t.Error(body)
	}
	for _, line := range []string{`pizzeria_agent_refused_total{reason="invalid"} 1`, `pizzeria_agent_requests_total{code="4xx"} 1`, "pizzeria_agent_open_websockets 1", "pizzeria_agent_app_metrics 1"} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing in %s", line, body)
		}
	}
	if status, _ := f.ask(http.MethodPost, "/revoke", strings.Repeat("x", ownBody+1), credential); status != 400 {
		t.Errorf("a large body: %d", status)
	}
}

// TestDirect: the app listens itself, with no PORT; there is nothing to revoke here.
func TestDirect(t *testing.T) {
	f := started(t, func(c *Config) {
		c.Profile = ""
		c.Env = maps.Clone(c.Env)
		c.Env["PIZZERIA_LISTEN"] = c.Listen
	})
	if status, s := f.get("/", as("whatever")); status != 200 || s.Header.Get("Pizzeria-Assertion") != "whatever" {
		t.Errorf("%d %+v", status, s)
	}
	if status := f.revoke("alice-id"); status != http.StatusNotImplemented {
		t.Error(status)
	}
	if status, body := f.ask(http.MethodGet, "/heartbeat", "", credential); status != 200 || !strings.Contains(body, `"degraded"`) {
		t.Error(body)
	}
}
