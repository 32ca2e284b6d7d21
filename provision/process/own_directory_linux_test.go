//go:build linux && !portable

package process

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestOwnDirectory: an instance may put into its directories what it likes. The server follows no
// link there, waits for nothing, and believes nothing that matters.
func TestOwnDirectory(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	victim := &fixture{t, f.p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = f.p.Stop(context.Background(), victim.org, 1<<40) })
	was := victim.boot(1)
	secret := filepath.Join(f.p.c.Dir, "secret.key")
	if err := os.WriteFile(secret, []byte(`{"error":"basil"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.boot(1)
	dir, theirs := f.p.runDir(f.ref(1)), f.p.runDir(victim.ref(1))
	replace := func(path string, by func(path string) error) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := by(path); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) func(string) error {
		return func(path string) error { return os.Symlink(to, path) }
	}

	// It says that it has ended, and it has not.
	replace(filepath.Join(dir, lockFile), func(path string) error { return os.WriteFile(path, nil, 0o600) })
	replace(filepath.Join(dir, exitFile), func(path string) error { return os.WriteFile(path, []byte(`{"code":0}`), 0o600) })
	replace(filepath.Join(dir, installationFile), func(path string) error { return os.WriteFile(path, []byte("another"), 0o600) })
	if o, err := f.p.Observe(t.Context(), f.ref(1)); err != nil || !o.Running {
		t.Errorf("it has not ended: %+v %v", o, err)
	}
	if seen, err := f.p.List(t.Context()); err != nil || len(seen) != 2 || seen[0].Foreign != "" || seen[1].Foreign != "" {
		t.Errorf("%+v %v", seen, err)
	}

	// Its log leads to a file of the server's.
	log := f.p.LogFile(f.org)
	for name, by := range map[string]func(string) error{
		"a link": link(secret), "a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		replace(log, by)
		if r, err := f.p.Logs(t.Context(), f.org, 10, false); err == nil {
			b, _ := io.ReadAll(r)
			_ = r.Close()
			if len(b) > 0 {
				t.Errorf("the log is %s, and the server reads %q", name, b)
			}
		}
	}

	// Its control socket leads to another's, which would be stopped.
	replace(filepath.Join(dir, ctlSocket), link(filepath.Join(theirs, ctlSocket)))
	replace(filepath.Join(dir, exitFile), link(secret))
	f.p.c.Grace = 10 * time.Millisecond
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Errorf("stop: %v", err)
	}
	if now := victim.boot(1); now.ID != was.ID {
		t.Error("the other instance was stopped")
	}
	if left := f.here(); len(left) != 0 {
		t.Errorf("it was not stopped: %v", left)
	}

	// How it ended is a file of the server's.
	f.boot(2)
	dir = f.p.runDir(f.ref(2))
	a, err := readApart(dir)
	if err != nil {
		t.Fatal(err)
	}
	killProcess(a.PID, a.At)
	f.eventually("it has ended", func() bool { return !held(dir) })
	replace(filepath.Join(dir, exitFile), link(secret))
	if o, err := f.p.Observe(t.Context(), f.ref(2)); strings.Contains(o.Detail, "basil") || o.Running {
		t.Errorf("how it ended: %+v %v", o, err)
	}

	// It is not isolated any more, and its shim is the server's.
	for _, path := range []string{log, filepath.Join(dir, "shim.log"), filepath.Join(dir, specFile)} {
		replace(path, link(secret))
	}
	f.p.c.Isolation = IsolationOff
	f.boot(2)
	if b, err := os.ReadFile(secret); err != nil || string(b) != `{"error":"basil"}` {
		t.Errorf("a file of the server is now %q: %v", b, err)
	}
}
