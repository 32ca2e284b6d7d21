//go:build darwin || (linux && portable)

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// guardScript waits for the end of its input, which is the end of the shim, and then kills its
// own process group. Nothing is ever written to it.
const guardScript = `trap '' HUP INT TERM; read -r never; kill -9 0`

// limits is what this system does not give, for the log.
const limits = "an instance ends with its shim through a guard process, not through the kernel: " +
	"if both are killed at once, it goes on until someone ends it; " +
	"what an instance starts in a session of its own (setsid) outlives it"

// tether is an instance and what is in its process group.
type tether struct {
	cmd *exec.Cmd
	// group is the instance's process group.
	group int
}

// startTethered starts cmd in a process group that ends with this shim.
//
// Linux alone tells a child of its parent's death. Elsewhere a guard leads the group: a shell
// that reads from a pipe which only the shim can write. The system closes the pipe when the shim
// ends, however it ends, and the guard kills the group. The group's ID cannot be reused while the
// guard lives, and there is a guard before there is an instance. The guard shares the shim's
// lock, so that no other shim starts the same instance before this one is dead.
func startTethered(cmd *exec.Cmd, lock *os.File) (*tether, error) {
	guard := exec.Command("/bin/sh", "-c", guardScript)
	guard.Env = []string{}
	guard.ExtraFiles = []*os.File{lock}
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
	go func() { // an instance without a guard would outlive its shim
		_ = guard.Wait()
		_ = cmd.Process.Kill()
	}()
	return &tether{cmd: cmd, group: guard.Process.Pid}, nil
}

// wait returns how the instance ended, when nothing of its process group is left.
func (t *tether) wait() syscall.WaitStatus {
	_ = t.cmd.Wait()
	_ = syscall.Kill(-t.group, syscall.SIGKILL)
	status, _ := t.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status
}

// What left the process group cannot be found here: macOS has no /proc, and no adoption of orphans
// but by the first process.

func leftovers(...string) (map[string][]int, []int, error) { return nil, nil, nil }

func endLeftovers(context.Context, string) error { return nil }

func reapAdopted() {}

func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
