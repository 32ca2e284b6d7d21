//go:build linux && !portable

package process

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/internal/processtree"
)

// canKeepApart says that this build can.
const canKeepApart = true

// lockFD is the descriptor of the lock that a shim inherits.
const lockFD = 3

// shimInside is a shim that is kept apart with its instance, as the org's user and the first of its
// processes: they all end with it. It has the lock of its run directory.
func shimInside(dir string) error {
	// The instance has the same user, and is not to read or stop the shim by way of debugging it.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	// What the host side gave it to report a failed start is not the org's to fill.
	out, err := os.OpenFile(filepath.Join(dir, "shim.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for fd := 1; fd <= 2; fd++ {
		if err := unix.Dup3(int(out.Fd()), fd, 0); err != nil {
			return err
		}
	}
	unix.CloseOnExec(lockFD)
	return run(dir, os.NewFile(lockFD, lockFile))
}

// startOf is when a process was started, as the kernel counts.
func startOf(pid int) (string, error) {
	p, err := processtree.Read(pid)
	return p.Start, err
}

// killProcess ends a process, unless its number is another's by now.
func killProcess(pid int, start string) {
	processtree.Proc{ID: processtree.ID{PID: pid, Start: start}}.Kill()
}

// ended reports whether a process has, also when nobody has waited for it.
func ended(pid int, start string) bool {
	p, err := processtree.Read(pid)
	return err != nil || p.Start != start || p.Ended
}
