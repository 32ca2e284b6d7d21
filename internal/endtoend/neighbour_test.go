package endtoend

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestNeighbour: while an org's instance takes all that it can, or answers health checks badly, each
// request of another org is served by the instance that served it before, and the operator sees who
// it is.
func TestNeighbour(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "cgroup", "control groups take root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	requests := scale.Of(t, "requests at least, during each attack", 100, 5000)
	pids := scale.Of(t, "processes", 64, 2000)
	memory := scale.Of(t, "of memory", "512MiB", "2GiB")
	loops := scale.Of(t, "busy loops", 4, 64)
	s := startWith(t, fmt.Sprintf(`provider process {
			command %s greedy
			isolation on
			grace 1s
		}
		health_interval 1s
		health_restart_after off
		plan standard {
			cpu 1
			memory %s
			pids %d
		}`, self, memory, pids), "org_gateway")
	ada := s.admin()
	attacker := s.org(ada, "acme")
	attackers := s.processes(filepath.Join(s.dir, "data/orgs", attacker))
	if len(attackers) == 0 {
		t.Fatal("no process of the attacker is found: nothing may hold it back")
	}
	for _, pid := range attackers {
		groups, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
		if err != nil || !strings.Contains(string(groups), "/pizzeria/") {
			lacking(t, "cgroup", fmt.Sprintf("nothing would hold it back: %s %v", groups, err))
		}
	}
	s.org(ada, "globex")
	boot := ada.open(s.url("globex") + "/boot").body

	// ask asks the other org until it was asked often enough and something has happened.
	ask := func(t *testing.T, what string, happened func() bool) (p99 time.Duration) {
		t.Helper()
		var took []time.Duration
		for began := time.Now(); len(took) < requests || !happened(); {
			for range 20 {
				at := time.Now()
				a := ada.fetch(http.MethodGet, s.url("globex")+"/boot", "")
				took = append(took, time.Since(at))
				if a.status != http.StatusOK || a.body != boot {
					t.Fatalf("the other org, after %d requests: %d %s, was %s", len(took), a.status, a.body, boot)
				}
			}
			if time.Since(began) > patience+time.Duration(requests)*50*time.Millisecond {
				out, _ := s.cli("", "instance", "show", "acme")
				t.Fatalf("%s is not seen: %s", what, out)
			}
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	alone := ask(t, "nothing", func() bool { return true })
	came := map[string]any{"requests": requests, "alone_p99_ms": ms(alone)}

	printed := func(words string) func() bool { // the org's log
		return func() bool {
			out, err := s.cli("", "instance", "logs", "acme")
			return err == nil && strings.Contains(out, words)
		}
	}
	logged := func(message, words string) func() bool { // the server's
		before := len(s.out.String())
		return func() bool {
			for l := range strings.Lines(s.out.String()[before:]) {
				if strings.Contains(l, message) && strings.Contains(l, attacker) && strings.Contains(l, words) {
					return true
				}
			}
			return false
		}
	}
	for _, c := range []struct {
		what   string
		seenBy func() func() bool
	}{
		{"processes", func() func() bool { return printed("processes ended by: fork/exec") }},
		{"memory", func() func() bool { return logged("instance crashed", "more memory than its limit") }},
		{"files in memory", func() func() bool { return printed("files in memory ended by: write /tmp/file: no space left") }},
		{"descriptors", func() func() bool { return printed("descriptors ended by: open /dev/null: too many open files") }},
		{"busy loops", func() func() bool {
			before, _ := s.metric("pizzeria_instance_cpu_seconds_total", attacker)
			return func() bool {
				used, _ := s.metric("pizzeria_instance_cpu_seconds_total", attacker)
				return used > before+3
			}
		}},
		{"redirects", func() func() bool { return logged("instance degraded", "302 Found") }},
		{"64 MiB of header", func() func() bool { return logged("instance degraded", "exceeded 16384 bytes") }},
		{"drips", func() func() bool { return logged("instance degraded", "no answer within") }},
		{"64 MiB of body", func() func() bool { // nobody reads it: there is nothing to see
			return func() bool { return ada.instance("acme").State == "running" }
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			seen := c.seenBy()
			query := url.Values{"what": {c.what}, "loops": {fmt.Sprint(loops)}}
			if a := ada.open(s.url("acme") + "/attack?" + query.Encode()); a.status != http.StatusOK {
				t.Fatalf("attack: %d %s", a.status, a.body)
			}
			during := ask(t, c.what, seen)
			key := strings.ReplaceAll(c.what, " ", "_")
			came[key+"_p99_ms"], came[key+"_ratio"] = ms(during), float64(during)/float64(alone)
			was := ada.instance("acme").Generation
			s.must("instance", "restart", "acme")
			s.eventually("acme begins anew", func() bool {
				i := ada.instance("acme")
				return i.State == "running" && i.Generation > was
			})
		})
	}
	scale.Keep(t, came)
}
