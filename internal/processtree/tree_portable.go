//go:build darwin || (linux && portable)

package processtree

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// guardScript waits for the end of its input, which is the end of the process that started it, and
// then kills its own process group. Nothing is ever written to it.
const guardScript = `trap '' HUP INT TERM QUIT USR1 USR2; read -r never; kill -9 0`

// Limits says what this system does not give, for the log.
const Limits = "an instance ends with its shim through a guard process, not through the kernel: " +
	"if both are killed at once, it goes on until someone ends it; " +
	"what an instance starts in a session of its own (setsid) outlives it"

type system struct {
	waits sync.WaitGroup
}

// New returns a Tree. Guards share the lock with this process, so that nobody takes it while a
// process of the tree lives.
func New(lock *os.File) (*Tree, error) {
	return &Tree{lock: lock, running: map[int]*Process{}}, nil
}

// startOne starts cmd in a process group that ends with this process.
//
// Linux alone tells a child of its parent's death. Elsewhere a guard leads the group: a shell
// that reads from a pipe which only this process can write. The system closes the pipe when this
// process ends, however it ends, and the guard kills the group. The group's ID cannot be reused
// while the guard lives, and there is a guard before there is a process to guard.
func (t *Tree) startOne(cmd *exec.Cmd) (*Process, error) {
	guard := exec.Command("/bin/sh", "-c", guardScript)
	guard.Env = []string{}
	if t.lock != nil {
		guard.ExtraFiles = []*os.File{t.lock}
	}
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: guard.Process.Pid}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, guard.Process.Kill(), ignoreExit(guard.Wait()))
	}
	p := &Process{
		pid: cmd.Process.Pid, group: guard.Process.Pid, done: make(chan struct{}), mu: &t.mu,
	}
	go func() { // a process without a guard would outlive this one
		_ = guard.Wait()
		_ = cmd.Process.Kill()
	}()
	t.waits.Go(func() {
		_ = cmd.Wait()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		t.mu.Lock()
		defer t.mu.Unlock()
		_ = syscall.Kill(-p.group, syscall.SIGKILL) // what is left of it, and the guard
		t.settle(p.pid, status)
	})
	return p, nil
}

// End kills the process groups of all that was started, and returns when those processes have ended.
// What left its group cannot be found here: macOS has no /proc, and no adoption of orphans but by
// the first process.
func (t *Tree) End() {
	t.mu.Lock()
	t.ended = true
	for _, p := range t.running {
		_ = syscall.Kill(-p.group, syscall.SIGKILL)
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	t.mu.Unlock()
	t.waits.Wait()
}

func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
