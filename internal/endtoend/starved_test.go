package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestStarvedAgent: what an org uses is seen also while its agent gets no turn.
func TestStarvedAgent(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		lacking(t, "cgroup", "control groups take root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := startWith(t, fmt.Sprintf(`provider process {
			command %s greedy
			isolation on
			grace 1s
		}
		health_restart_after off
		plan standard {
			cpu 0.5
		}`, self), "org_gateway")
	ada := s.admin()
	org := s.org(ada, "acme")
	shown := func() (h struct {
		CPU      float64 `json:"cpu_seconds"`
		Memory   int64   `json:"memory_bytes"`
		Received string  `json:"received_at"`
	}) {
		t.Helper()
		i := struct{ Heartbeat any }{&h}
		if a := ada.fetch("GET", s.url("")+"/api/v1/orgs/acme/instance", ""); a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &i) != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return h
	}
	s.eventually("a heartbeat", func() bool { return shown().Received != "" })
	if a := ada.open(s.url("acme") + "/attack?" + url.Values{"what": {"busy loops"}, "loops": {"2"}}.Encode()); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	all, err := filepath.Glob(filepath.Join(s.dir, "data/run/.host/*/sandbox.json"))
	if err != nil || len(all) != 1 {
		lacking(t, "cgroup", fmt.Sprintf("no instance is kept apart: %q %v", all, err))
	}
	var apart struct{ PID int }
	if b, err := os.ReadFile(all[0]); err != nil || json.Unmarshal(b, &apart) != nil || apart.PID <= 1 {
		t.Fatalf("its agent: %s %v", b, err)
	}
	agent := strconv.Itoa(apart.PID)
	s.signal(agent, "STOP")
	defer s.signal(agent, "CONT")
	before, _ := s.metric("pizzeria_instance_cpu_seconds_total", org)
	said := shown()
	s.eventually("the metric rises", func() bool {
		now, _ := s.metric("pizzeria_instance_cpu_seconds_total", org)
		return now > before+1
	})
	s.eventually("the API says more", func() bool { return shown().CPU > said.CPU+1 })
	if memory, n := s.metric("pizzeria_instance_memory_bytes", org); n != 1 || memory < 1<<20 {
		t.Errorf("its memory is %v in %d series", memory, n)
	}
	page := ada.open(s.url("") + "/orgs/acme/instance").body
	found := regexp.MustCompile(`<dt>CPU time</dt><dd>([0-9.]+) s</dd>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the console: %s", page)
	}
	if seconds, err := strconv.ParseFloat(found[1], 64); err != nil || seconds < said.CPU+0.9 {
		t.Errorf("the console says %s s, the API had said %v s before", found[1], said.CPU)
	}
	if now := shown(); now.Received != said.Received {
		t.Errorf("its agent has spoken, at %s", now.Received)
	}
}
