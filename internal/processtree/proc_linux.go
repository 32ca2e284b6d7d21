//go:build linux && !portable

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// procID is one process: its number may be another's later.
type procID struct {
	pid   int
	start string // clock ticks since the machine started
}

// proc is a process as /proc/{pid}/stat shows it.
type proc struct {
	procID
	parent, session int
	// execs is true while it becomes another program (execve): for that moment it shows no
	// environment, and then one.
	execs bool
	// ending is true from the moment it has begun to end until it has: it shows no environment any
	// more, and still holds files and their locks.
	ending bool
	// ended is true when only the parent's wait for it is missing.
	ended bool
}

// Flags of a process (linux/sched.h).
const (
	isEnding       = 0x00000004 // PF_EXITING
	isKernelThread = 0x00200000 // PF_KTHREAD: it has no memory, and so never an environment
)

// readProc returns a process. One that has ended and was waited for is an error.
func readProc(pid int) (proc, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return proc{}, err
	}
	// The second field is a name in parentheses that can hold anything; see proc_pid_stat(5).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 50 {
		return proc{}, fmt.Errorf("process: %d has no stat", pid)
	}
	p := proc{procID: procID{pid, fields[19]}}
	parent, err1 := strconv.Atoi(fields[1])
	session, err2 := strconv.Atoi(fields[3])
	flags, err3 := strconv.ParseUint(fields[6], 10, 64)
	threads, err4 := strconv.Atoi(fields[17])
	p.parent, p.session = parent, session
	zombie := fields[0] == "Z" || fields[0] == "X"
	p.ended = zombie && threads <= 1 // its first thread can end before the others
	p.ending = !p.ended && (zombie || flags&isEnding != 0)
	noEnvironment := fields[48] == "0" // env_end
	p.execs = noEnvironment && flags&isKernelThread == 0 && !p.ending && !p.ended
	return p, errors.Join(err1, err2, err3, err4)
}

// allProcs returns every process. Those that begin or end meanwhile may be missing.
func allProcs() ([]proc, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make([]proc, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := readProc(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// kill ends p, and no process that has its number by now: os.Process holds on to a process, where
// the kernel can (Linux 5.4), and the start says which one that is.
func (p proc) kill() {
	held, err := os.FindProcess(p.pid)
	if err != nil {
		return
	}
	defer func() { _ = held.Release() }()
	if now, err := readProc(p.pid); err == nil && now.procID == p.procID {
		_ = held.Signal(syscall.SIGKILL)
	}
}

// children returns the processes that are, or were a moment ago, children of this one.
func children() ([]proc, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 { // a kernel without CONFIG_PROC_CHILDREN
		all, err := allProcs()
		self := os.Getpid()
		return slices.DeleteFunc(all, func(p proc) bool { return p.parent != self }), err
	}
	var found []proc
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(b)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				return nil, fmt.Errorf("process: %s: %w", list, err)
			}
			if p, err := readProc(n); err == nil {
				found = append(found, p)
			}
		}
	}
	return found, nil
}
