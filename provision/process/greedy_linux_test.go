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
		{"descriptors", `[ $(ulimit -Hn) -le 65536 ] && echo bounded`, "bounded", nil},
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
// ends with it.
func TestEgress(t *testing.T) {
	requireIsolation(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "basil") }))
	defer web.Close()
	host, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ask := fmt.Sprintf(`port=${HTTP_PROXY##*:}
exec 3<>/dev/tcp/127.0.0.1/$port; printf 'GET http://%[1]s:%[2]s/ HTTP/1.0\r\nHost: %[1]s\r\n\r\n' >&3; cat <&3
exec 4<>/dev/tcp/%[1]s/%[2]s || echo; echo nothing else`, host, port)
	for rule, want := range map[string]string{host + "/32": "basil", "*": "does not allow"} {
		t.Run(want, func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation, f.p.c.Egress, f.p.c.Allow = IsolationOn, EgressAllow, []string{rule}
			f.p.c.Command = []string{"/bin/bash", "-c", "{ " + ask + "\n} >said 2>&1; exec sleep 1000"}
			if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err != nil {
				t.Fatal(err)
			}
			f.eventually("it has asked", func() bool { return strings.Contains(f.said(), "nothing else") })
			if !strings.Contains(f.said(), want) || strings.Count(f.said(), "basil") > 1 {
				t.Errorf("%s", f.said())
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
