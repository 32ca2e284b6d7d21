//go:build linux && !portable

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/internal/processtree"
	"github.com/pizzaface/pizzeria/provision/providertest"
)

// escape starts what leaves an instance's process group, its session and its parents, and what
// ignores to be asked.
const escape = `
setsid sleep 4001 &
( ( setsid sleep 4002 & ) & )
nohup sleep 4003 >/dev/null 2>&1 &
setsid sh -c 'trap "" HUP INT TERM; while :; do sleep 1; done' &
`

// escaped is how many processes of escape there are at least, the instance included.
const escaped = 5

// escaping returns a fixture whose instances run a script before they become the test instance.
func escaping(t *testing.T, script string) *fixture {
	t.Helper()
	f := newFixture(t)
	self := f.p.c.Command[0]
	f.p.c.Command = []string{"/bin/sh", "-c", script + "\n" + `exec "$0" instance`, self}
	return f
}

// here returns the processes that work in the org's data. Zombies do not.
func (f *fixture) here() []string {
	return processes(f.T, filepath.Join(f.p.c.Dir, "orgs", string(f.org)))
}

func (f *fixture) bootAll(vars ...string) providertest.Boot {
	f.Helper()
	b := f.boot(1, vars...)
	f.eventually("all have started", func() bool { return len(f.here()) >= escaped })
	return b
}

func (f *fixture) signal(pid int, s syscall.Signal) {
	f.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		f.Fatal(err)
	}
}

// TestDescendantsEnd: what an instance started ends with it, however it ends and wherever it went.
func TestDescendantsEnd(t *testing.T) {
	stop := func(f *fixture) {
		f.Helper()
		if err := f.p.Stop(f.Context(), f.org, 1); err != nil {
			f.Fatal(err)
		}
	}
	for name, end := range map[string]func(f *fixture, b providertest.Boot){
		"stop": func(f *fixture, _ providertest.Boot) { stop(f) },
		"crash": func(f *fixture, b providertest.Boot) {
			f.signal(b.PID, syscall.SIGKILL)
			f.eventually("the end is seen", func() bool {
				o, err := f.p.Observe(f.Context(), f.ref(1))
				return err == nil && !o.Running
			})
		},
		"a killed shim, then a stop": func(f *fixture, b providertest.Boot) {
			f.signal(parent(f.T, b.PID), syscall.SIGKILL)
			stop(f)
		},
		"a killed shim, then a stop by another server": func(f *fixture, b providertest.Boot) {
			f.signal(parent(f.T, b.PID), syscall.SIGKILL)
			f.eventually("the lock is free", func() bool { return !held(f.p.runDir(f.ref(1))) })
			p, err := New(f.p.c)
			if err != nil {
				f.Fatal(err)
			}
			if refs, err := p.List(f.Context()); err != nil || len(refs) != 1 || refs[0].Ref != f.ref(1) || refs[0].Running {
				f.Errorf("List does not see what is left: %v %v", refs, err)
			}
			f.p = p
			stop(f)
			if refs, err := p.List(f.Context()); err != nil || len(refs) != 0 {
				f.Errorf("List sees what has ended: %v %v", refs, err)
			}
		},
		"a paused shim": func(f *fixture, b providertest.Boot) {
			f.signal(parent(f.T, b.PID), syscall.SIGSTOP)
			stop(f)
		},
	} {
		for _, vars := range [][]string{nil, {providertest.Stubborn}} {
			t.Run(name+strings.Join(vars, ""), func(t *testing.T) {
				t.Parallel()
				f := escaping(t, escape)
				end(f, f.bootAll(vars...))
				if left := f.here(); len(left) > 0 {
					t.Fatalf("%d processes are left", len(left))
				}
			})
		}
	}
}

// TestNewInstanceMeetsNoLeftovers: what a killed shim left behind has ended before the next
// instance begins.
func TestNewInstanceMeetsNoLeftovers(t *testing.T) {
	f := escaping(t, escape)
	b := f.bootAll()
	was := f.here()
	f.signal(parent(t, b.PID), syscall.SIGKILL)
	f.eventually("the lock is free", func() bool { return !held(f.p.runDir(f.ref(1))) })
	f.bootAll()
	for _, pid := range f.here() {
		if slices.Contains(was, pid) {
			t.Errorf("%s is left from the instance before", pid)
		}
	}
}

// TestChasersEnd: processes that replace themselves all the time, each in a session of its own, end
// all the same.
func TestChasersEnd(t *testing.T) {
	const chase = `[ -e chase ] && { setsid sh -c "$1" x "$1" & }`
	f := escaping(t, `touch chase; i=0; while [ $i -lt 20 ]; do i=$((i+1)); setsid sh -c '`+chase+
		`' x '`+chase+`' & done`)
	f.boot(1)
	first := f.here()
	f.eventually("others have taken their place", func() bool {
		now := f.here()
		return len(now) > 5 && slices.ContainsFunc(now, func(pid string) bool {
			return !slices.Contains(first, pid)
		})
	})
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	if left := f.here(); len(left) > 0 {
		t.Fatalf("%d processes are left", len(left))
	}
}

// TestOrphansAreReaped: an orphan that has ended is no zombie for as long as the instance runs.
func TestOrphansAreReaped(t *testing.T) {
	f := escaping(t, `( ( sleep 0.01 & ) & ); ( ( setsid true & ) & )`)
	shim := parent(t, f.boot(1).PID)
	f.eventually("the shim has the instance as its only child", func() bool {
		all, err := processtree.All()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range all {
			if p.Parent == shim {
				n++
			}
		}
		return n == 1
	})
}

// TestAdoptedAreReaped: the first process of a container, which gets the orphans of a killed shim,
// keeps no zombies of them.
func TestAdoptedAreReaped(t *testing.T) {
	adopt := func(on uintptr) {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, on, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	adopt(1)
	defer adopt(0)
	f := escaping(t, escape)
	b := f.bootAll()
	was := f.here()
	f.signal(parent(t, b.PID), syscall.SIGKILL)
	f.eventually("the lock is free", func() bool { return !held(f.p.runDir(f.ref(1))) })
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	f.eventually("no zombie is left", func() bool {
		if _, err := f.p.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(was, func(pid string) bool {
			_, err := os.Stat("/proc/" + pid)
			return err == nil
		})
	})
}

// TestStrangersAreSpared: a process that names another instance, or that runs as another user, is
// nobody's leftover.
func TestStrangersAreSpared(t *testing.T) {
	f := newFixture(t)
	f.boot(1)
	dir := f.p.runDir(f.ref(1))
	start := func(env string, uid uint32) *exec.Cmd {
		cmd := exec.Command("sleep", "4004")
		cmd.Env = []string{env}
		if uid != 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	var spared, taken []*exec.Cmd
	for i, mark := range markers(dir) {
		spared = append(spared, start(mark+"x", 0), start("X"+mark, 0), start("X=\n"+mark, 0),
			start(markers(f.p.runDir(f.ref(2)))[i], 0))
		if os.Geteuid() == 0 {
			spared = append(spared, start(mark, 65534))
		}
		taken = append(taken, start(mark, 0))
	}
	f.eventually("all have begun", func() bool {
		for _, c := range append(slices.Clone(spared), taken...) {
			b, err := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/cmdline")
			if err != nil || !strings.HasPrefix(string(b), "sleep") {
				return false
			}
		}
		return true
	})
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range taken {
		if alive(c.Process.Pid) {
			t.Error("what names the instance is left")
		}
	}
	for i, c := range spared {
		if !alive(c.Process.Pid) {
			t.Errorf("stranger %d was killed", i)
		}
	}
}
