//go:build linux && !portable

package processtree

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits says what this system does not give. It is empty: this one gives all.
const Limits = ""

type system struct {
	starts  chan func() // run on a thread that lives as long as the tree
	signals chan os.Signal
}

// New returns a Tree. lock is a file that guards share with this process; Linux needs none.
func New(lock *os.File) (*Tree, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans: %w", err)
	}
	t := &Tree{
		lock: lock, running: map[int]*Process{},
		system: system{starts: make(chan func()), signals: make(chan os.Signal, 1)},
	}
	// PDEATHSIG acts when the thread that started a process ends.
	go func() {
		runtime.LockOSThread()
		for start := range t.starts {
			start()
		}
	}()
	signal.Notify(t.signals, syscall.SIGCHLD)
	go func() {
		for range t.signals {
			t.mu.Lock()
			if !t.ended {
				t.reap()
			}
			t.mu.Unlock()
		}
	}()
	return t, nil
}

// startOne starts cmd. The kernel kills it when this process dies. Orphans below it become children
// of this process, whatever sessions and groups they make.
func (t *Tree) startOne(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	started := make(chan error)
	t.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	_ = cmd.Process.Release() // the tree waits for it
	return &Process{pid: pid, group: pid, done: make(chan struct{}), mu: &t.mu}, nil
}

// End kills every descendant of this process and returns when none is left: until it has no child,
// since a child's children become its own when their parent ends. Nothing starts after it. Only
// children are looked for, which is quick: what starts a copy of itself and ends must not win the
// race.
func (t *Tree) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	signal.Stop(t.signals)
	close(t.signals)
	close(t.starts)
	killed := map[ID]bool{}
	for t.reap() {
		progress := false
		if os.Getpid() == 1 { // everything else in this PID namespace, whatever /proc shows
			_ = syscall.Kill(-1, syscall.SIGKILL)
			time.Sleep(time.Millisecond)
			continue
		}
		now, _ := children(os.Getpid())
		for _, p := range now {
			if p.Ended || p.Ending || killed[p.ID] {
				continue
			}
			p.Kill()
			killed[p.ID], progress = true, true
		}
		if !progress {
			time.Sleep(time.Millisecond) // the kernel takes its time to end them
		}
	}
}

// reap waits for the children that have ended, and reports whether others are left.
func (t *Tree) reap() bool {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return false
		case pid == 0:
			return true
		case pid > 0:
			t.settle(pid, status)
		}
	}
}
