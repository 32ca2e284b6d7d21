//go:build linux && !portable

package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/internal/processtree"
)

// canKeepApart says that this build can. On 386 sockets are made by socketcall, whose arguments the
// filter of system calls does not see.
const canKeepApart = runtime.GOARCH != "386"

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

// startOf is when a process was started, and in which run of the machine: after a restart another can
// have its number, at the same moment.
func startOf(pid int) (string, error) {
	p, err := processtree.Read(pid)
	return boot() + " " + p.Start, err
}

var boot = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
})

// killProcess ends a process, unless its number is another's by now.
func killProcess(pid int, start string) {
	p, err := processtree.Read(pid)
	if err == nil && boot()+" "+p.Start == start {
		p.Kill()
	}
}

// ended reports whether a process has, also when nobody has waited for it.
func ended(pid int, start string) bool {
	p, err := processtree.Read(pid)
	return err != nil || p.Ended || boot()+" "+p.Start != start
}
