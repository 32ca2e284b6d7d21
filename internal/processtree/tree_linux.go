//go:build linux && !portable

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limits is empty: this system gives all that the provider relies on.
const limits = ""

// tether is an instance and all that comes from it.
type tether struct {
	cmd *exec.Cmd
	// group is the instance's process group.
	group int
}

// startTethered starts cmd in a process group of its own that ends with this shim. The kernel sees
// to it: PDEATHSIG acts when the thread that started cmd ends, so the calling goroutine keeps its
// thread. Orphans below cmd become children of the shim, whatever sessions and groups they make.
func startTethered(cmd *exec.Cmd, _ *os.File) (*tether, error) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &tether{cmd: cmd, group: cmd.Process.Pid}, nil
}

// wait returns how the instance ended, when nothing that comes from it is left. Meanwhile it waits
// for orphans, which would stay zombies.
func (t *tether) wait() syscall.WaitStatus {
	var status syscall.WaitStatus
	for {
		var s syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &s, 0, nil)
		if pid == t.cmd.Process.Pid {
			status = s
			break
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	t.endDescendants()
	_ = t.cmd.Wait() // only for its output: the process has been waited for
	return status
}

// endDescendants kills until this process has no child: then there is no descendant either, since
// each is a child, or becomes one when its parent ends. Only children are looked for, which is quick:
// what starts a copy of itself and ends must not win the race.
func (t *tether) endDescendants() {
	killed := map[procID]bool{}
	for reap() {
		now, _ := children()
		progress := false
		for _, p := range now {
			if p.ended || p.ending || killed[p.procID] {
				continue
			}
			p.kill()
			killed[p.procID], progress = true, true
		}
		if !progress {
			time.Sleep(time.Millisecond) // the kernel takes its time to end them
		}
	}
}

// reap waits for the children that have ended, and reports whether others are left.
func reap() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return false
		case pid == 0:
			return true
		}
	}
}
