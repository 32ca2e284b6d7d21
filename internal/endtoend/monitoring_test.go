package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const monitoring = "../../examples/monitoring"

// TestMonitoring: the alert rules do what they say, and a real Prometheus that
// scrapes the real binary by the example finds what rules and dashboard ask for.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, "prometheus", "there is no "+program)
		}
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("promtool %v: %s", args, out)
		}
	}
	example, err := os.ReadFile(filepath.Join(monitoring, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	validate(t, string(example))

	s := start(t)
	metricsPort, port := freePort(t), freePort(t)
	site := regexp.MustCompile(`(?s)http://127\.0\.0\.1:9180 \{.*?\n\}`).FindString(string(example))
	if out, err := s.reload(s.caddyfile("", 0) + strings.Replace(site, "9180", fmt.Sprint(metricsPort), 1)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	ada := s.admin()
	s.org(ada, "acme")

	dir := t.TempDir()
	config, err := os.ReadFile(filepath.Join(monitoring, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("15s", "1s", "9180", fmt.Sprint(metricsPort)).Replace(string(config))
	rules, err := os.ReadFile(filepath.Join(monitoring, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"prometheus.yml": []byte(text), "alerts.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &lockedBuffer{}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", tail(log.String(), 3000))
		}
	})
	// ask returns how many series an expression has.
	ask := func(expr string) (n int, err error) {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/query?%s", port, url.Values{"query": {expr}}.Encode()))
		if err != nil {
			return 0, err
		}
		defer func() { _ = res.Body.Close() }()
		var v struct {
			Status, Error string
			Data          struct{ Result []any }
		}
		if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
			return 0, err
		}
		if v.Status != "success" {
			return 0, fmt.Errorf("%s: %s", expr, v.Error)
		}
		return len(v.Data.Result), nil
	}
	s.eventually("Prometheus scrapes the server", func() bool { n, _ := ask(`up{job="pizzeria"} == 1`); return n == 1 })
	// Something to see: requests, errors, changes.
	s.eventually("there is something to see", func() bool {
		ada.open(s.url("acme") + "/")
		ada.fetch("GET", s.url("acme")+"/fail", "")
		ada.fetch("PATCH", s.url("")+"/api/v1/orgs/acme", `{"name":"Acme `+fmt.Sprint(time.Now().UnixNano())+`"}`)
		n, _ := ask(`rate(pizzeria_feed_lag_seconds_count[1m]) > 0 and on() rate(pizzeria_org_requests_total{code="2xx",org!="_other"}[1m]) > 0`)
		return n > 0
	})

	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	b, err := os.ReadFile(filepath.Join(monitoring, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", "pizzeria", "$org", ".*")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs[fill.Replace(target.Expr)] = p.Title
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(rules, &alerts); err != nil {
		t.Fatal(err)
	}
	for _, r := range alerts.Groups[0].Rules {
		// The same without its thresholds: it must find something to compare.
		exprs[regexp.MustCompile(`(?s) (>|==) [0-9.]+(\s+and .*)?\s*$`).ReplaceAllString(r.Expr, "")] = r.Alert
	}
	if len(exprs) < 20 {
		t.Errorf("only %d expressions were found", len(exprs))
	}
	for expr, name := range exprs {
		switch n, err := ask(expr); {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case n == 0 && !strings.Contains(expr, `"5xx"`): // none of those today
			t.Errorf("%s finds nothing: %s", name, expr)
		}
	}
	if n, err := ask(`ALERTS`); err != nil || n != 0 {
		t.Errorf("%d alerts for a server that is well (%v)", n, err)
	}
	// And the one that must not be missed.
	s.kill()
	s.eventually("Prometheus sees that it is down", func() bool { n, _ := ask(`ALERTS{alertname="PizzeriaDown"}`); return n == 1 })
}
