//go:build linux && !portable

package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/cgroup"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// requireLimits skips where this machine has no control groups, and fails where it must.
func requireLimits(t *testing.T) {
	t.Helper()
	requireIsolation(t)
	if e, err := cgroup.Supported(); e != (cgroup.Enforced{CPU: true, Memory: true, PIDs: true}) {
		if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",cgroup,") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// greedy starts an instance that runs a script, and writes what it prints to its data directory.
func (f *fixture) greedy(gen int64, l registry.Limits, script string) {
	f.Helper()
	c := f.p.c.Command
	defer func() { f.p.c.Command = c }()
	f.p.c.Command = []string{"/bin/sh", "-c", "{ " + script + "\n} >said 2>&1; exec sleep 1000"}
	if _, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(gen), Limits: l}); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) said() string {
	b, _ := os.ReadFile(filepath.Join(f.p.c.Dir, "orgs", string(f.org), "data", "said"))
	return string(b)
}

// TestGreedy: an instance takes no more than its limits, goes on within them, and the others with it.
func TestGreedy(t *testing.T) {
	requireLimits(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	other := &fixture{t, f.p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = f.p.Stop(context.Background(), other.org, 1<<40) })
	was := other.boot(1)
	gen := int64(0)
	for _, c := range []struct {
		what, script, want string
		limits             registry.Limits
	}{
		{"processes", `i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo more`, "fork", registry.Limits{registry.LimitPIDs: 30}},
		{"memory", `head -c 400000000 /dev/zero | tail >/dev/null || echo refused`, "", registry.Limits{registry.LimitMemory: 150 << 20}},
		{"memory by files", `head -c 400000000 /dev/zero >/tmp/x || echo refused`, "", registry.Limits{registry.LimitMemory: 150 << 20}},
		{"files in memory", `head -c 400000000 /dev/zero >/tmp/x || echo refused`, "refused", nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := &fixture{t, f.p, f.org}
			gen++
			f.greedy(gen, c.limits, c.script)
			f.eventually("it has met its limit", func() bool {
				return strings.Contains(f.said(), c.want) && (c.want != "" || f.said() != "" || !held(f.p.runDir(f.ref(gen))) || f.p.outOfMemory(f.p.runDir(f.ref(gen))))
			})
			if strings.Contains(f.said(), "more") {
				t.Errorf("it took more than its limit: %s", f.said())
			}
			o := &fixture{t, f.p, other.org}
			if now := o.boot(1); now.ID != was.ID {
				t.Error("the other instance was hurt")
			}
			f.stop(gen)
		})
	}
}

// TestGreedyForFiles: an instance that opens all the files that it may, in several processes, keeps
// neither another one from starting nor the server from opening files.
func TestGreedyForFiles(t *testing.T) {
	requireLimits(t)
	const processes, most = 3, 65536
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	// What they need afterwards runs before: without a descriptor nothing starts.
	one := `i=0; sleep 1000 & while exec {fd}</dev/null; do i=$((i+1)); done 2>why; echo opened $i; wait`
	f.greedy(1, nil, fmt.Sprintf(`ulimit -n $(ulimit -Hn); for n in $(seq %d); do bash -c '%s' & done; wait`, processes, one))
	f.eventually("it has opened all", func() bool { return strings.Count(f.said(), "opened") == processes })
	for l := range strings.Lines(f.said()) {
		var n int
		if _, err := fmt.Sscanf(l, "opened %d", &n); err != nil || n < 1000 || n > most {
			t.Errorf("%q", l)
		}
	}
	why, err := os.ReadFile(filepath.Join(f.p.c.Dir, "orgs", string(f.org), "data", "why"))
	if err != nil || !strings.Contains(string(why), "Too many open files") {
		t.Errorf("what kept it from more: %q %v", why, err)
	}
	other := &fixture{t, f.p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = f.p.Stop(context.Background(), other.org, 1<<40) })
	was := other.boot(1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Error(err)
	}
	if now := other.boot(1); now.ID != was.ID || strings.Count(f.said(), "opened") != processes || !held(f.p.runDir(f.ref(1))) {
		t.Error("not both run")
	}
}

// TestMemoryIsVisible: what ended for want of memory says so.
func TestMemoryIsVisible(t *testing.T) {
	requireLimits(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	f.p.c.Command = []string{"/bin/sh", "-c", `exec tail /dev/zero`}
	_, _ = f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1), Limits: registry.Limits{registry.LimitMemory: 150 << 20}})
	ended := func(want string) {
		t.Helper()
		f.eventually("it has ended", func() bool { return !held(f.p.runDir(f.ref(1))) })
		o, err := f.p.Observe(t.Context(), f.ref(1))
		if err != nil || o.Running || !strings.Contains(o.Detail, want) {
			t.Errorf("%+v %v", o, err)
		}
	}
	ended("more memory than its limit")
	if err := os.Remove(filepath.Join(f.p.runDir(f.ref(1)), exitFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	ended("killed; it used more memory than its limit") // its agent as well
}

// TestLimitsFollow: an instance that runs is held to new limits without a restart.
func TestLimitsFollow(t *testing.T) {
	requireLimits(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	was := f.boot(1)
	read := func(paths ...string) string {
		for _, path := range paths {
			found, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", path))
			for _, file := range found {
				if strings.Contains(file, filepath.Base(f.p.runDir(f.ref(1)))) {
					b, _ := os.ReadFile(file)
					return strings.TrimSpace(string(b))
				}
			}
		}
		return "no group"
	}
	if got := read("pids/pizzeria/*/*/pids.max", "pizzeria/*/*/pids.max"); got != fmt.Sprint(defaultPIDs) {
		t.Errorf("without a limit of processes it may have %s", got)
	}
	if err := f.p.Limit(t.Context(), f.ref(1), registry.Limits{registry.LimitMemory: 512 << 20}); err != nil {
		t.Fatal(err)
	}
	if got := read("memory/pizzeria/*/*/memory.limit_in_bytes", "pizzeria/*/*/memory.max"); got != "536870912" {
		t.Errorf("the limit is %s", got)
	}
	if now := f.boot(1); now.ID != was.ID {
		t.Error("it was restarted")
	}
	if err := f.p.Limit(t.Context(), f.ref(7), nil); err == nil {
		t.Error("one that is not there has limits")
	}
}

// TestEgress: an instance reaches what is allowed, through a proxy, and nothing else; and the proxy
// ends with it. Where egress is open it reaches what the server does.
func TestEgress(t *testing.T) {
	requireIsolation(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "basil") }))
	defer web.Close()
	host, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ask := fmt.Sprintf(`if [ "$HTTP_PROXY" ]; then
exec 3<>/dev/tcp/127.0.0.1/${HTTP_PROXY##*:}; printf 'GET http://%[1]s:%[2]s/ HTTP/1.0\r\nHost: %[1]s\r\n\r\n' >&3; echo by proxy: $(cat <&3)
fi
if exec 4<>/dev/tcp/%[1]s/%[2]s; then printf 'GET / HTTP/1.0\r\nHost: %[1]s\r\n\r\n' >&4; echo by itself: $(cat <&4); fi
echo nothing else`, host, port)
	for _, c := range []struct {
		egress Egress
		allow  []string
		proxy  string // what the proxy says; empty: there is none
		itself bool
	}{
		{EgressNone, nil, "", false},
		{EgressOpen, nil, "", true},
		{EgressAllow, []string{host + "/32"}, "basil", false},
		{EgressAllow, []string{"*"}, "does not allow", false},
	} {
		t.Run(strings.Join(append([]string{string(c.egress)}, c.allow...), " "), func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation, f.p.c.Egress, f.p.c.Allow = IsolationOn, c.egress, c.allow
			f.p.c.Command = []string{"/bin/bash", "-c", "{ " + ask + "\n} >said 2>&1; exec sleep 1000"}
			if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err != nil {
				t.Fatal(err)
			}
			f.eventually("it has asked", func() bool { return strings.Contains(f.said(), "nothing else") })
			line := func(how string) (line string) {
				for l := range strings.Lines(f.said()) {
					if strings.HasPrefix(l, how) {
						line = l
					}
				}
				return line
			}
			if l := line("by proxy"); !strings.Contains(l, c.proxy) || (l != "") != (c.proxy != "") {
				t.Errorf("%s", f.said())
			}
			if l := line("by itself"); strings.Contains(l, "basil") != c.itself {
				t.Errorf("%s", f.said())
			}
			if c.proxy == "" {
				return
			}
			b, err := os.ReadFile(filepath.Join(hostDir(f.p.runDir(f.ref(1))), proxyFile))
			if err != nil {
				t.Fatal(err)
			}
			var proxy apart
			if err := json.Unmarshal(b, &proxy); err != nil {
				t.Fatal(err)
			}
			f.stop(1)
			f.eventually("the proxy has ended", func() bool {
				now, err := startOf(proxy.PID)
				return err != nil || now != proxy.At
			})
		})
	}
}
