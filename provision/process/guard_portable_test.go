//go:build darwin || (linux && portable)

package process

import (
	"syscall"
	"testing"

	"github.com/pizzaface/pizzeria/provision/providertest"
)

// guardOf returns the guard of an instance: it leads the process group.
func guardOf(t *testing.T, pid int) int {
	t.Helper()
	guard, err := syscall.Getpgid(pid)
	if err != nil {
		t.Fatal(err)
	}
	if guard == pid {
		t.Fatal("the instance leads its process group: it has no guard")
	}
	return guard
}

func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// TestGuardKeepsTheLock: no other shim starts while an instance outlives its own.
func TestGuardKeepsTheLock(t *testing.T) {
	f := newFixture(t)
	var b providertest.Boot
	var guard int
	dir := f.p.runDir(f.ref(1))
	// The kernel continues a stopped guard when the end of the shim orphans its process group
	// (POSIX.1-2017, _exit), unless the guard has not stopped yet just then. So try again.
	for tries := 1; ; tries++ {
		b = f.boot(1, providertest.Child)
		shim := parent(t, b.PID)
		guard = guardOf(t, b.PID)
		kill(t, guard, syscall.SIGSTOP)
		kill(t, shim, syscall.SIGKILL)
		f.eventually("the shim is gone", func() bool { return state(shim) == "" })
		if alive(b.PID) && held(dir) {
			break
		}
		// The guard kills both at once. While it is stopped, the instance stays.
		f.eventually("an instance whose lock is free has ended", func() bool { return !alive(b.PID) })
		if tries == 50 {
			t.Fatal("the instance ended without its guard: this tests nothing")
		}
		f.eventually("the lock is free", func() bool { return !held(dir) })
	}
	_ = syscall.Kill(guard, syscall.SIGCONT) // it may have ended just then
	f.eventually("instance and child have ended", func() bool { return !alive(b.PID) && !alive(b.Child) })
	f.eventually("the lock is free", func() bool { return !held(dir) })
}

// TestLostGuardEndsTheInstance: an instance does not go on without its guard.
func TestLostGuardEndsTheInstance(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1)
	kill(t, guardOf(t, b.PID), syscall.SIGKILL)
	f.eventually("the instance has ended", func() bool { return !alive(b.PID) })
	if again := f.boot(1); again.ID == b.ID {
		t.Fatal("not a new one")
	}
}

// TestGuardIgnoresSignals: a signal to the whole group does not end the guard before the instance.
func TestGuardIgnoresSignals(t *testing.T) {
	f := newFixture(t)
	b := f.boot(1, providertest.Stubborn)
	guard := guardOf(t, b.PID)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		kill(t, guard, sig)
	}
	if o, err := f.p.Observe(t.Context(), f.ref(1)); err != nil || !o.Running || !alive(guard) {
		t.Fatalf("%+v %v, guard alive: %v", o, err, alive(guard))
	}
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	f.eventually("the guard has ended", func() bool { return !alive(guard) })
}
