//go:build linux && !portable

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// intrude runs the intruder as acme's instance, and returns what it got, each as "attack target: got".
func (f *fixture) intrude(t intruder.Targets) (got []string) {
	f.Helper()
	in, err := json.Marshal(t)
	if err != nil {
		f.Fatal(err)
	}
	// The instance is the intruder, and writes what it finds where the org may write.
	script := fmt.Sprintf("exec \"$0\" intruder '%s' >'%s/findings' 2>&1", in, t.Own)
	attacker := *f.p
	attacker.c.Command = []string{"/bin/sh", "-c", script, f.p.c.Shim[0]}
	attacker.c.Files = []string{filepath.Dir(f.p.c.Shim[0])}
	_, err = attacker.Ensure(f.Context(), provision.Spec{Ref: f.ref(1), Slug: "acme"})
	if err != nil && !strings.Contains(err.Error(), "ended") {
		f.Fatal(err)
	}
	f.eventually("the intruder ends", func() bool { return !held(f.p.runDir(f.ref(1))) })
	b, err := os.ReadFile(filepath.Join(t.Own, "findings"))
	if err != nil {
		f.Fatal(err)
	}
	var all []intruder.Finding
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&all); err != nil {
		f.Fatalf("%v: %s", err, b)
	}
	if len(all) < 50 {
		f.Errorf("only %d tries", len(all))
	}
	for _, a := range all {
		if !a.Held() {
			got = append(got, fmt.Sprintf("%s %s: %s", a.Attack, a.Target, a.Got))
		}
	}
	return got
}

// TestIntruder: an instance reaches no other, nor the server, nor the machine. The same tries work
// where nothing is isolated.
func TestIntruder(t *testing.T) {
	requireIsolation(t)
	for _, isolation := range []Isolation{IsolationOn, IsolationOff} {
		t.Run(string(isolation), func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation = isolation
			victim := registry.OrgID(registry.NewID())
			t.Cleanup(func() { _ = f.p.Stop(context.Background(), victim, 1<<40) })
			globex := provision.Ref{OrgID: victim, Generation: 1}
			if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: globex, Slug: "globex"}); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(f.p.c.Dir, "orgs", string(victim), "data")
			secret, key := filepath.Join(data, "secret"), filepath.Join(f.p.c.Dir, "secret.key")
			for _, path := range []string{secret, key} {
				if err := os.WriteFile(path, []byte("basil"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			listen := func(network, address string) string {
				t.Helper()
				l, err := net.Listen(network, address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
				return l.Addr().String()
			}
			admin := listen("unix", filepath.Join(f.p.c.Dir, "admin.sock"))
			hidden := listen("unix", "@pizzeria-test-"+filepath.Base(f.p.c.Dir))
			control := listen("tcp", "127.0.0.1:0")
			run := f.p.runDir(globex)
			own := f.p.directories(f.ref(1))
			if isolation == IsolationOff {
				own = own[:2] // its lock is in the third: without it there, it has ended
			}
			got := f.intrude(intruder.Targets{
				Own:         filepath.Join(f.p.c.Dir, "orgs", string(f.org), "data"),
				Sockets:     []string{filepath.Join(run, appSocket), filepath.Join(run, ctlSocket), admin},
				Addresses:   []string{control, "169.254.169.254:80", "[fd00:ec2::254]:80"},
				Files:       []string{secret, data, key, run, filepath.Join(run, specFile), f.p.LogFile(victim)},
				Processes:   []int{os.Getpid(), os.Getppid()},
				Directories: own,
			})
			if isolation == IsolationOn {
				for _, g := range got {
					t.Error(g)
				}
				return
			}
			for _, want := range []string{
				"connect to a socket " + admin, "connect to a socket by a link " + admin,
				"connect to an abstract socket " + hidden, "connect to an address " + control,
				"open a file " + secret, "open a file by a link " + key, "write to a file " + secret,
				"signal a process", "read a process's environment",
				"rename its own directory " + own[0], "exchange its own directory with a link " + own[0],
				"rename its own directory " + own[1], "exchange its own directory with a link " + own[1],
			} {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
					t.Errorf("it does not work even without isolation: %s", want)
				}
			}
		})
	}
}

// inNetwork says that this process is in a network namespace of its own.
const inNetwork = "PIZZERIA_TEST_IN_NETWORK"

// TestMetadata: an instance does not reach a metadata service that answers. The test runs itself in
// a network in which there is one.
func TestMetadata(t *testing.T) {
	requireIsolation(t)
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
	const service = "169.254.169.254:80"
	if os.Getenv(inNetwork) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestMetadata$", "-test.v") //nolint:gosec // this program
		cmd.Env = append(os.Environ(), inNetwork+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestMetadata/off")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	for _, args := range []string{"link set lo up", "addr add 169.254.169.254/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", args, err, out)
		}
	}
	l, err := net.Listen("tcp", service)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, c := range []struct {
		isolation Isolation
		egress    Egress
		reached   bool
	}{{IsolationOff, EgressNone, true}, {IsolationOn, EgressNone, false}, {IsolationOn, EgressOpen, true}} {
		t.Run(strings.TrimSuffix(string(c.isolation)+" "+string(c.egress), " none"), func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation, f.p.c.Egress = c.isolation, c.egress
			got := f.intrude(intruder.Targets{
				Own: f.p.directories(f.ref(1))[0], Directories: f.p.directories(f.ref(1))[:2], Addresses: []string{service},
			})
			if slices.Contains(got, "connect to an address "+service+": it answers") != c.reached {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestOrgsHaveUsers: as root each org has a user of its own, which it keeps, and which owns its data;
// also of an org that had none before.
func TestOrgsHaveUsers(t *testing.T) {
	requireIsolation(t)
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
	f := newFixture(t)
	data := filepath.Join(f.p.c.Dir, "orgs", string(f.org), "data")
	f.boot(1)
	if err := os.WriteFile(filepath.Join(data, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.stop(1)
	// A file of the server's that the org linked to, and one of its own with two names.
	secret := filepath.Join(f.p.c.Dir, "secret.key")
	if err := os.WriteFile(secret, []byte("basil"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{secret: "linked", filepath.Join(data, "old"): "older"} {
		if err := os.Link(from, filepath.Join(data, to)); err != nil {
			t.Fatal(err)
		}
	}
	f.p.c.Isolation = IsolationOn
	owner := func(path string) int {
		t.Helper()
		uid, err := hostside.OwnerOf(path)
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	f.boot(2)
	uid := owner(data)
	if !isOrgs(uid) || owner(filepath.Join(data, "old")) != uid {
		t.Errorf("owners: %d and %d", uid, owner(filepath.Join(data, "old")))
	}
	if now := owner(secret); now != 0 {
		t.Errorf("a file of the server's is now %d's", now)
	}
	if now := owner(filepath.Join(data, "linked")); now != uid {
		t.Errorf("the org's copy is %d's", now)
	}
	one, err := os.Stat(filepath.Join(data, "old"))
	other2, err2 := os.Stat(filepath.Join(data, "older"))
	if err != nil || err2 != nil || !os.SameFile(one, other2) {
		t.Error("its own links are cut")
	}
	f.stop(2)
	f.boot(3)
	if now := owner(data); now != uid {
		t.Errorf("another user: %d, was %d", now, uid)
	}
	other := &fixture{t, f.p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = f.p.Stop(context.Background(), other.org, 1<<40) })
	other.boot(1)
	if now := owner(filepath.Join(f.p.c.Dir, "orgs", string(other.org), "data")); now == uid || !isOrgs(now) {
		t.Errorf("the other org's user: %d", now)
	}
	f.stop(3)
	f.p.c.Isolation = IsolationOff
	f.boot(4)
	if now := owner(data); now != 0 {
		t.Errorf("no longer isolated: %d", now)
	}
}

func (f *fixture) stop(gen int64) {
	f.Helper()
	if err := f.p.Stop(f.Context(), f.org, gen); err != nil {
		f.Fatal(err)
	}
}

// TestNothingStaysApart: nothing of an isolated instance is left when it was stopped, or killed.
func TestNothingStaysApart(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	for gen := int64(1); gen <= 2; gen++ {
		f.boot(gen)
		dir := f.p.runDir(f.ref(gen))
		if gen == 2 {
			a, err := readApart(dir)
			if err != nil {
				t.Fatal(err)
			}
			killProcess(a.PID, a.At)
			f.eventually("it has ended", func() bool { return !held(dir) })
		}
		f.stop(gen)
		for _, path := range []string{dir, hostDir(dir)} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is left", path)
			}
		}
		if left := f.here(); len(left) != 0 {
			t.Errorf("processes are left: %v", left)
		}
		for _, at := range []string{"memory", "pids", "."} {
			left, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", at, "pizzeria/*", filepath.Base(dir)))
			if len(left) != 0 {
				t.Errorf("a control group is left: %v", left)
			}
		}
	}
}

// TestFreeLockIsNotTheEnd: the lock of an instance whose first process was killed is free before its
// other processes have ended. It is neither removed nor started again until they have.
func TestFreeLockIsNotTheEnd(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	f.boot(1)
	dir := f.p.runDir(f.ref(1))
	a, err := readApart(dir)
	if err != nil {
		t.Fatal(err)
	}
	killProcess(a.PID, a.At)
	f.eventually("it has ended", func() bool { return !held(dir) })
	// One that takes its time to end.
	first := exec.Command("sleep", "1000")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	})
	defer end()
	a.PID = first.Process.Pid
	if a.At, err = startOf(a.PID); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(hostDir(dir), sandboxFile), a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := f.p.Stop(ctx, f.org, 1); err == nil {
		t.Error("it was stopped")
	}
	for _, isolation := range []Isolation{IsolationOn, IsolationOff} {
		f.p.c.Isolation = isolation
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := f.p.Ensure(ctx, provision.Spec{Ref: f.ref(1)}); err == nil || held(dir) {
			t.Errorf("isolation %s: it was started: %v", isolation, err)
		}
		cancel()
	}
	end()
	f.p.c.Isolation = IsolationOn
	f.boot(1)
}

// TestStartedMeanwhile: who sees too late that another has started the instance, isolated or not,
// leaves it alone.
func TestStartedMeanwhile(t *testing.T) {
	requireIsolation(t)
	for is, was := range map[Isolation]Isolation{IsolationOn: IsolationOff, IsolationOff: IsolationOn} {
		t.Run(string(is), func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation = was
			first := f.boot(1)
			f.p.c.Isolation = is
			s := provision.Spec{Ref: f.ref(1)}
			spec, err := f.p.prepare(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.p.start(t.Context(), s, spec); !errors.Is(err, syscall.EWOULDBLOCK) {
				t.Errorf("it was started: %v", err)
			}
			if now := f.boot(1); now.ID != first.ID {
				t.Error("it is another one")
			}
		})
	}
}

// TestDiscardRacesList: what is discarded is gone before the host side forgets it, and what is about
// to start is not forgotten, whoever lists meanwhile.
func TestDiscardRacesList(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	dir := f.p.runDir(f.ref(1))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := f.p.List(context.Background()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	for range 300 {
		if err := os.MkdirAll(hostDir(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "a", "b", "c"), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := patiently(lockIn, hostDir(dir))
		if err != nil {
			_ = os.RemoveAll(dir) // it was forgotten before: start fails, and is tried again
			continue
		}
		for range 3 {
			if _, err := f.p.List(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !held(dir) {
			t.Error("it was forgotten while somebody starts it")
		}
		if err := f.p.discard(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Error("it is forgotten, and still there")
		}
		_ = l.Close()
	}
}

// TestTargetsAreBounded: an org that has many files in its run directory makes no trial too large.
func TestTargetsAreBounded(t *testing.T) {
	f := newFixture(t)
	dir := f.p.runDir(f.ref(1))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 10 * mostTargets {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to, err := f.p.targets(f.ref(2), f.ref(1))
	if err != nil || len(to.Files) < mostTargets || len(to.Files) > 3*mostTargets {
		t.Errorf("%d files: %v", len(to.Files), err)
	}
}

// TestProcessOfAnotherBoot: after a restart of the machine a process is another one, though its number
// and its age are those that were written down.
func TestProcessOfAnotherBoot(t *testing.T) {
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Wait() }()
	defer func() { _ = c.Process.Kill() }()
	pid := c.Process.Pid
	at, err := startOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	before := "another boot " + strings.Fields(at)[1]
	if ended(pid, at) || !ended(pid, before) {
		t.Errorf("it has ended: %t, its predecessor: %t", ended(pid, at), ended(pid, before))
	}
	killProcess(pid, before)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var how *exec.ExitError
	if err := c.Wait(); !errors.As(err, &how) || how.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it was killed: %v", err)
	}
}

// TestCopyCutOff: a copy of the program that was cut off before everybody may execute it is made
// executable by the next start.
func TestCopyCutOff(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
	f := newFixture(t)
	program := filepath.Join(f.p.c.Dir, "app")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		at, err := f.p.executable(program)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := os.Stat(at.From); err != nil || i.Mode().Perm() != 0o555 {
			t.Errorf("%v %v", i.Mode(), err)
		}
		if err := os.Chmod(at.From, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAsSomebodyElse: the same holds for a server that does not run as root.
func TestAsSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("all tests run as somebody else")
	}
	requireIsolation(t)
	if b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && strings.TrimSpace(string(b)) == "1" {
		lacking(t, errors.New("AppArmor keeps namespaces from users: set kernel.apparmor_restrict_unprivileged_userns to 0"))
	}
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	b, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(binary, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run", "^(TestConformance|TestIntruder|TestNothingStaysApart)$/^on$", "-test.v")
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "PIZZERIA_TEST_REQUIRE=" + os.Getenv("PIZZERIA_TEST_REQUIRE")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	out, err := cmd.CombinedOutput()
	for _, test := range []string{"TestIntruder/on", "TestConformance/on", "TestNothingStaysApart"} {
		if err != nil || !bytes.Contains(out, []byte("--- PASS: "+test)) {
			t.Fatalf("%s: %v\n%s", test, err, out)
		}
	}
}

// TestNoDowngrade: an instance that was isolated does not start without it, unless the operator says
// so.
func TestNoDowngrade(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationAuto
	f.boot(1)
	if os.Geteuid() == 0 { // otherwise nothing tells once it was stopped
		f.stop(1)
	}
	f.p.c.Sandbox = sandbox.Helper{"/bin/false"}
	if m := f.p.means(); m.way != sandbox.None {
		t.Fatalf("%+v", m)
	}
	gen := int64(2)
	if os.Geteuid() != 0 {
		a, err := readApart(f.p.runDir(f.ref(1)))
		if err != nil {
			t.Fatal(err)
		}
		killProcess(a.PID, a.At)
		f.eventually("it has ended", func() bool { return !held(f.p.runDir(f.ref(1))) })
		gen = 1
	}
	_, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(gen)})
	if err == nil || !strings.Contains(err.Error(), "was isolated") {
		t.Errorf("it starts without isolation: %v", err)
	}
	f.p.c.Isolation = IsolationOff
	f.boot(gen)
}
