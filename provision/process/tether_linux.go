//go:build linux && !portable

package process

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// limits is empty: this system gives all that the provider relies on.
const limits = ""

// startTethered starts cmd in a process group of its own that ends with this shim, and returns
// the group. The kernel sees to it: PDEATHSIG acts when the thread that started cmd ends, so the
// calling goroutine keeps its thread.
func startTethered(cmd *exec.Cmd, _ *os.File) (group int, err error) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}
