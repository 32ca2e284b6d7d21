//go:build linux || darwin

package process

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
)

// TestWaitsForAnOlderShim: a shim of an earlier version answers at once to what it does not know, and
// its end is seen all the same.
func TestWaitsForAnOlderShim(t *testing.T) {
	dir := t.TempDir()
	l, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := net.Listen("unix", filepath.Join(dir, ctlSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ctl.Close() }()
	asked := make(chan struct{}, 1)
	go func() {
		for {
			c, err := ctl.Accept()
			if err != nil {
				return
			}
			_ = json.NewEncoder(c).Encode(response{PID: 1})
			_ = c.Close()
			select {
			case asked <- struct{}{}:
			default:
			}
		}
	}()
	ended := make(chan bool, 1)
	go func() { ended <- awaitEnd(t.Context(), dir) }()
	for range 3 {
		<-asked
	}
	select {
	case <-ended:
		t.Fatal("it is said to have ended")
	default:
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case ok := <-ended:
		if !ok {
			t.Error("nobody saw its end")
		}
	case <-time.After(time.Minute):
		t.Error("its end is not seen")
	}
}

// TestWatchEndsWithItsError: a watch that cannot tell any more says so while instances run.
func TestWatchEndsWithItsError(t *testing.T) {
	f := newFixture(t)
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(f.p.c.Dir, "run")
	done := make(chan error, 1)
	w := newWatcher(f.p, func(provision.Ref) {})
	go func() { done <- w.run(t.Context()) }()
	f.eventually("somebody waits for the instance", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.known[f.ref(1)].waits
	})
	if err := os.Rename(run, run+"-away"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(os.Remove(run), os.Rename(run+"-away", run)); err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(run, nil, 0o600); err != nil { // no directory
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil {
			t.Error("it ends without an error")
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
}
