//go:build linux || darwin

package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/providertest"
	"github.com/pizzaface/pizzeria/registry"
)

// The test binary is its own shim and its own instance.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "sandbox":
		if err := sandbox.Enter(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	case len(os.Args) >= 3 && os.Args[1] == "shim":
		if err := Shim(os.Args[2:]...); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	case len(os.Args) >= 3 && os.Args[1] == "egress":
		if err := egress.Listen(os.Args[2], os.Args[3:]); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	case len(os.Args) == 3 && os.Args[1] == "intruder":
		if err := intruder.Main(os.Args[2], os.Stdout); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	case len(os.Args) == 2 && os.Args[1] == "instance":
		providertest.Instance()
	default:
		_ = os.Setenv("CANARY_SECRET", "of the server")
		os.Exit(m.Run())
	}
}

func config(t *testing.T) Config {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: dir, Command: []string{self, "instance"}, Shim: []string{self, "shim"}, Grace: 500 * time.Millisecond,
		Sandbox: sandbox.Helper{self, "sandbox"}, Isolation: IsolationOff, Proxy: []string{self, "egress"}}
}

func TestConformance(t *testing.T) {
	for _, isolation := range []Isolation{IsolationOff, IsolationOn} {
		t.Run(string(isolation), func(t *testing.T) {
			if isolation == IsolationOn {
				requireIsolation(t)
			}
			conformance(t, isolation)
		})
	}
}

// requireIsolation skips where this machine cannot isolate, and fails where it must.
func requireIsolation(t *testing.T) {
	t.Helper()
	if !canKeepApart {
		t.Skip("this build does not isolate instances")
	}
	p, err := New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	p.c.Isolation = IsolationOn
	if m := p.means(); m.way == sandbox.None {
		lacking(t, m.why)
	}
}

// lacking skips a test, or fails it where isolation is required.
func lacking(t *testing.T, why error) {
	t.Helper()
	if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",isolation,") {
		t.Fatal(why)
	}
	t.Skip(why)
}

func conformance(t *testing.T, isolation Isolation) {
	providertest.RunTests(t, func(t *testing.T) func() provision.Provider {
		c := config(t)
		c.Isolation = isolation
		return func() provision.Provider {
			p, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	})
}

type fixture struct {
	*testing.T
	p   *Provider
	org registry.OrgID
}

// alive reports whether a process runs. A zombie that its parent has yet to reap does not.
func alive(pid int) bool { return state(pid) != "" && state(pid) != "Z" }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	p, err := New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t, p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = p.Stop(context.Background(), f.org, 1<<40) })
	return f
}

func (f *fixture) ref(gen int64) provision.Ref { return provision.Ref{OrgID: f.org, Generation: gen} }

// boot starts an instance and returns what it says of itself.
func (f *fixture) boot(gen int64, vars ...string) providertest.Boot {
	f.Helper()
	return f.bootWith(gen, nil, vars...)
}

// bootWith is boot with limits.
func (f *fixture) bootWith(gen int64, l registry.Limits, vars ...string) (b providertest.Boot) {
	f.Helper()
	env := map[string]string{}
	for _, v := range vars {
		env[v] = "1"
	}
	o, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(gen), Env: env, Limits: l})
	if err != nil {
		f.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network, address := provision.SplitAddress(o.Address)
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	f.eventually("it answers", func() bool {
		req, _ := http.NewRequest("GET", "http://instance/boot", nil)
		res, err := tr.RoundTrip(req)
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		raw, _ := io.ReadAll(res.Body)
		return res.StatusCode == http.StatusOK && json.Unmarshal(raw, &b) == nil
	})
	return b
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	for range 800 {
		if ok() {
			return
		}
		time.Sleep(25 * time.Millisecond) // other processes take their time
	}
	f.Fatalf("it never happened that %s", what)
}

func TestOutputIsKept(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1)
	f.eventually("its output is in the log", func() bool {
		log, err := os.ReadFile(f.p.LogFile(f.org))
		return err == nil && strings.Contains(string(log), "booted "+b.ID)
	})
}

// Nobody else on the machine reads an org's files or reaches its sockets.
func TestFilesArePrivate(t *testing.T) {
	f := newFixture(t)
	f.boot(1)
	err := filepath.WalkDir(f.p.c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		if path != f.p.c.Dir && i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, i.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKilledShimTakesItsInstanceAlong(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1)
	if err := syscall.Kill(parent(t, b.PID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.eventually("the instance has ended", func() bool { return !alive(b.PID) })
	f.eventually("that is seen", func() bool {
		o, err := f.p.Observe(t.Context(), f.ref(1))
		return err == nil && !o.Running
	})
	if again := f.boot(1); again.ID == b.ID {
		t.Fatal("not a new one")
	}
}

// What an instance starts ends with it, also when it does not want to.
func TestChildrenEndToo(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1, providertest.Child)
	if !alive(b.Child) {
		t.Fatal("there is no child")
	}
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	f.eventually("the child has ended", func() bool { return !alive(b.Child) })
}

func TestSecondShimEndsAtOnce(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1)
	cmd := exec.Command(f.p.c.Shim[0], append(f.p.c.Shim[1:], f.p.runDir(f.ref(1)))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if again := f.boot(1); again.ID != b.ID {
		t.Fatal("the second shim started another instance")
	}
}

// A stop at any moment of a start leaves nothing behind, and nothing hidden.
func TestStopRacesStart(t *testing.T) {
	f := newFixture(t)
	for i := range 30 {
		gen := int64(i + 1)
		c, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.p.Ensure(c, provision.Spec{Ref: f.ref(gen)})
		}()
		time.Sleep(time.Duration(i) * time.Millisecond) // the moment is the point
		if err := f.p.Stop(t.Context(), f.org, gen); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-done
		if err := f.p.Stop(t.Context(), f.org, gen); err != nil {
			t.Fatal(err)
		}
	}
	f.eventually("no process is left", func() bool { return len(processes(t, f.p.c.Dir)) == 0 })
}

func TestNewRefusesLongPaths(t *testing.T) {
	_, err := New(Config{Dir: "/tmp/" + strings.Repeat("long", 20), Command: []string{"x"}, Shim: []string{"y"}})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Fatalf("got %v", err)
	}
	if _, err := New(Config{Dir: "/tmp"}); err == nil {
		t.Fatal("no command is accepted")
	}
}

func TestMissingCommand(t *testing.T) {
	f := newFixture(t)
	f.p.c.Command = []string{"/no/such/command"}
	_, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Fatalf("got %v", err)
	}
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: provision.Ref{OrgID: "../../etc", Generation: 1}}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a path as an org's ID: %v", err)
	}
}

// TestEnsureGivenUpIsListed: who gives up waiting for an instance leaves one that List sees, and so one that is stopped.
func TestEnsureGivenUpIsListed(t *testing.T) {
	f := newFixture(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for gen := int64(1); gen <= 5; gen++ {
		_, _ = f.p.Ensure(gone, provision.Spec{Ref: f.ref(gen)})
		refs, err := f.p.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(refs) != 1 || refs[0].Ref != f.ref(gen) {
			t.Fatalf("generation %d: List sees %v", gen, refs)
		}
		if err := f.p.Stop(t.Context(), f.org, gen); err != nil {
			t.Fatal(err)
		}
	}
	f.eventually("no process is left", func() bool { return len(processes(t, f.p.c.Dir)) == 0 })
}

// TestStopEndsWhatStandsStill: an instance, or its shim, that was paused by a signal
// ends all the same.
func TestStopEndsWhatStandsStill(t *testing.T) {
	for name, pids := range map[string]func(b providertest.Boot) []int{
		"the instance": func(b providertest.Boot) []int { return []int{b.PID} },
		"the shim":     func(b providertest.Boot) []int { return []int{parent(t, b.PID)} },
		"both":         func(b providertest.Boot) []int { return []int{parent(t, b.PID), b.PID} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			b := f.boot(1)
			for _, pid := range pids(b) {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if o, err := f.p.Observe(t.Context(), f.ref(1)); err != nil || !o.Running {
				t.Errorf("it stands still, and has not ended: %+v %v", o, err)
			}
			if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
				t.Fatal(err)
			}
			f.eventually("it has ended", func() bool { return !alive(b.PID) })
			if again := f.boot(1); again.ID == b.ID {
				t.Error("not a new one")
			}
		})
	}
}
