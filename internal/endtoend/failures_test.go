package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// instanceOf is what the API says of an org's instance.
type instanceOf struct {
	State      string
	Detail     string
	Log        string
	Generation int64
	Failures   int
	RetryAt    time.Time `json:"retry_at"`
	Steps      []struct{ Name string }
}

func (p *person) instance(slug string) (i instanceOf) {
	p.s.t.Helper()
	a := p.fetch("GET", p.s.url("")+"/api/v1/orgs/"+slug+"/instance", "")
	if err := json.Unmarshal([]byte(a.body), &i); err != nil || a.status != 200 {
		p.s.t.Fatalf("instance of %s: %d %s", slug, a.status, a.body)
	}
	return i
}

// sample returns the sample instances that run, without their shims.
func (s *server) sample() (pids []string) {
	s.t.Helper()
	for _, pid := range s.processes(filepath.Join(s.dir, "data/orgs")) {
		if line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && strings.Contains(string(line), "sample-instance") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestCrashLoop: a command that ends at once is started a few times, less and less
// often, is shown as failed with what it printed, and a person need not wait.
func TestCrashLoop(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "command")
	body := fmt.Sprintf("#!/bin/sh\necho start >>\"$PIZZERIA_DATA_DIR/starts\"\n[ -e %[1]s/good ] && exec %[2]s sample-instance\nprintf 'canary \\033[31mno luck\\033[0m\\n' >&2\nexit 9\n", dir, binary)
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s := startWith(t, "provider process {\n\t\t\tcommand "+script+"\n\t\t\tfiles "+dir+" "+binary+"\n\t\t\tgrace 1s\n\t\t}", "org_gateway")
	starts := func() (n int) {
		all, _ := filepath.Glob(filepath.Join(s.dir, "data/orgs/*/data/starts"))
		for _, path := range all {
			if b, err := os.ReadFile(path); err == nil {
				n += strings.Count(string(b), "start\n")
			}
		}
		return n
	}
	ada := s.admin()
	began := time.Now()
	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"acme","name":"Acme"}`); a.status != 201 {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	bob := s.invite(ada, "acme", "bob@example.com", "member")
	s.eventually("it has failed four times", func() bool { return ada.instance("acme").Failures >= 4 })
	// 1 + 2 + 4 s have passed; had the waits not held, there would be dozens.
	if n, took := starts(), time.Since(began); n > 4+int(took/(8*time.Second)) {
		t.Errorf("%d starts within %s", n, took)
	}
	i := ada.instance("acme")
	if i.State != "failed" || !strings.Contains(i.Detail, "exit code 9") || !strings.Contains(i.Log, "canary  [31mno luck") || strings.Contains(i.Log, "\x1b") || i.RetryAt.IsZero() {
		t.Errorf("the API says %+v", i)
	}
	if i := bob.instance("acme"); i.State != "failed" || i.Log != "" || strings.Contains(i.Detail, "canary") {
		t.Errorf("a member, who may not read the log, gets %+v", i)
	}
	for page, words := range map[string][]string{
		"/platform":                        {`<span class="number">1</span>failed servers`},
		"/platform/instances?state=failed": {"acme", "exit code 9"},
		"/orgs/acme":                       {"Failed", "canary", `<li class="bad">▲ failed`, "Next attempt"},
		"/orgs/acme/instance":              {"Failed", "Consecutive failures"},
	} {
		a := ada.open(s.url("") + page)
		for _, w := range words {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s does not say %s: %s", page, w, a.body)
			}
		}
	}
	if a := bob.open(s.url("") + "/orgs/acme"); strings.Contains(a.body, "canary") {
		t.Error("a member sees the log in the console")
	}
	if out, err := s.cli("", "instance", "show", "acme"); err != nil || !strings.Contains(out, "failed") || !strings.Contains(out, "canary  [31mno luck") || !strings.Contains(out, "Next attempt") {
		t.Errorf("the CLI says %s %v", out, err)
	}
	if n, _ := s.metric("pizzeria_instance_failures_total", `provider="process",reason="start"`); n < 4 {
		t.Errorf("%v failures are counted", n)
	}
	if n, _ := s.metric("pizzeria_instances", `state="failed"`); n != 1 {
		t.Errorf("%v failed instances", n)
	}
	for _, name := range []string{"pizzeria.db", "pizzeria.db-wal"} {
		if b, err := os.ReadFile(filepath.Join(s.dir, "data", name)); err == nil && strings.Contains(string(b), "canary") {
			t.Errorf("%s holds what the instance printed", name)
		}
	}

	// The next server waits as this one would have.
	s.eventually("it has failed five times", func() bool { return ada.instance("acme").Failures >= 5 })
	before := starts()
	s.stop()
	s.run()
	if i := ada.instance("acme"); i.State != "failed" || time.Now().Before(i.RetryAt) && starts() != before {
		t.Errorf("after a restart: %d starts, then %d: %+v", before, starts(), i)
	}
	// It waits for 16 s or more; a person does not.
	touch(t, dir, "good")
	if out, err := s.cli("", "instance", "restart", "acme", "--wait", "--timeout", "30s"); err != nil {
		t.Errorf("restart: %s", out)
	}
	if i := ada.instance("acme"); i.State != "running" || i.Failures != 0 || i.Log != "" {
		t.Errorf("at last: %+v", i)
	}
}

// TestHungInstance: a paused instance is degraded, is shown so, and is restarted as a new generation.
func TestHungInstance(t *testing.T) {
	options := "health_interval 500ms\n\t\thealth_failures 2\n\t\thealth_restart_after %s\n\t\tprovider process {\n\t\t\tgrace 1s\n\t\t}"
	s := startWith(t, fmt.Sprintf(options, "off"), patient)
	ada := s.admin()
	ada.c.Timeout = 2 * time.Minute
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	pids := s.sample()
	if len(pids) != 1 {
		t.Fatalf("instances: %v", pids)
	}
	s.signal(pids[0], "STOP")
	s.eventually("it is degraded", func() bool { return ada.instance("acme").State == "degraded" })
	if i := ada.instance("acme"); !strings.Contains(i.Detail, "health checks") || i.Generation != 1 {
		t.Errorf("the API says %+v", i)
	}
	for page, words := range map[string][]string{
		"/platform":                          {`<span class="number">1</span>degraded servers`},
		"/platform/instances?state=degraded": {"acme", "Degraded"},
		"/orgs/acme":                         {"Degraded", `<li class="wait">◆ degraded`, `id="open"`},
	} {
		a := ada.open(s.url("") + page)
		for _, w := range words {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s does not say %s: %s", page, w, a.body)
			}
		}
	}
	if out, err := s.cli("", "org", "list", "--state", "degraded"); err != nil || !strings.Contains(out, "acme") {
		t.Errorf("the CLI says %s %v", out, err)
	}
	if n, _ := s.metric("pizzeria_instances", `state="degraded"`); n != 1 {
		t.Errorf("%v degraded instances", n)
	}
	// Degraded is not down: it goes on as soon as it can, and a request has waited for it.
	answered := make(chan answer)
	go func() { answered <- ada.fetch("GET", s.url("acme")+"/whoami", "") }()
	s.signal(pids[0], "CONT")
	if a := <-answered; a.status != 200 {
		t.Errorf("a request to a degraded instance: %d %s", a.status, a.body)
	}
	s.active("acme")
	if i := ada.instance("acme"); i.Generation != 1 || i.Failures != 0 {
		t.Errorf("it has recovered: %+v", i)
	}

	// A reload changes what is done about it; the instance that stands still is replaced.
	if out, err := s.reload(s.caddyfile(fmt.Sprintf(options, "1s"), 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	s.signal(pids[0], "STOP")
	s.eventually("it is restarted", func() bool { i := ada.instance("acme"); return i.Generation == 2 && i.State == "running" })
	s.eventually("the old one is gone", func() bool { return !alive(pids[0]) })
	if i := ada.instance("acme"); i.Failures != 1 || len(i.Steps) == 0 || i.Steps[0].Name != "unresponsive" {
		t.Errorf("the API says %+v", i)
	}
	if a := ada.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 {
		t.Errorf("after the restart: %d %s", a.status, a.body)
	}
	if n, _ := s.metric("pizzeria_instance_failures_total", `reason="unresponsive"`); n != 1 {
		t.Errorf("%v restarts are counted", n)
	}
}
