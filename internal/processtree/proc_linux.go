//go:build linux && !portable

package processtree

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

// ID is one process: its number may be another's later.
type ID struct {
	PID   int
	Start string // clock ticks since the machine started
}

// Proc is a process as /proc/{pid}/stat shows it.
type Proc struct {
	ID
	Parent, Session int
	// CPU is the processor time that it has used, and the children that it has waited for, in clock
	// ticks.
	CPU int64
	// Execs is true while it becomes another program (execve): for that moment it shows no
	// environment, and then one.
	Execs bool
	// Ending is true from the moment it has begun to end until it has: it shows no environment any
	// more, and still holds files and their locks.
	Ending bool
	// Ended is true when only the parent's wait for it is missing.
	Ended bool
}

// Flags of a process (linux/sched.h).
const (
	isEnding       = 0x00000004 // PF_EXITING
	isKernelThread = 0x00200000 // PF_KTHREAD: it has no memory, and so never an environment
)

// Read returns a process. One that has ended and was waited for is an error.
func Read(pid int) (Proc, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Proc{}, err
	}
	// The second field is a name in parentheses that can hold anything; see proc_pid_stat(5).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 50 {
		return Proc{}, fmt.Errorf("process %d has no stat", pid)
	}
	p := Proc{ID: ID{pid, fields[19]}}
	parent, err1 := strconv.Atoi(fields[1])
	session, err2 := strconv.Atoi(fields[3])
	flags, err3 := strconv.ParseUint(fields[6], 10, 64)
	threads, err4 := strconv.Atoi(fields[17])
	p.Parent, p.Session = parent, session
	for _, ticks := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(ticks, 10, 64)
		p.CPU += n
	}
	zombie := fields[0] == "Z" || fields[0] == "X"
	p.Ended = zombie && threads <= 1 // its first thread can end before the others
	p.Ending = !p.Ended && (zombie || flags&isEnding != 0)
	noEnvironment := fields[48] == "0" // env_end
	p.Execs = noEnvironment && flags&isKernelThread == 0 && !p.Ending && !p.Ended
	return p, errors.Join(err1, err2, err3, err4)
}

// All returns every process. Those that begin or end meanwhile may be missing.
func All() ([]Proc, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make([]Proc, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := Read(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Kill ends p, and no process that has its number by now: os.Process holds on to a process, where
// the kernel can (Linux 5.4), and the start says which one that is.
func (p Proc) Kill() {
	held, err := os.FindProcess(p.PID)
	if err != nil {
		return
	}
	defer func() { _ = held.Release() }()
	if now, err := Read(p.PID); err == nil && now.ID == p.ID {
		_ = held.Signal(syscall.SIGKILL)
	}
}

// Descendants returns the processes below this one.
func Descendants() ([]Proc, error) {
	var all []Proc
	next, err := children(os.Getpid())
	for len(next) > 0 && len(all) < maxDescendants {
		p := next[0]
		next = next[1:]
		all = append(all, p)
		below, _ := children(p.PID) // it may have ended
		next = append(next, below...)
	}
	return all, err
}

// maxDescendants bounds the work: a fork bomb is not measured to its end.
const maxDescendants = 10_000

// Memory is how much memory a process uses, with its share of what it shares with others.
func (p Proc) Memory() int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "smaps_rollup"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// children returns the processes that are, or were a moment ago, children of another.
func children(of int) ([]Proc, error) {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(of) + "/task/*/children")
	if err != nil || len(lists) == 0 { // a kernel without CONFIG_PROC_CHILDREN
		all, err := All()
		return slices.DeleteFunc(all, func(p Proc) bool { return p.Parent != of }), err
	}
	var found []Proc
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(b)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", list, err)
			}
			if p, err := Read(n); err == nil {
				found = append(found, p)
			}
		}
	}
	return found, nil
}
