//go:build linux && !portable

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// proc is a process as /proc/{pid}/stat shows it. Its number may be another process's later; its
// number and start together are not.
type proc struct {
	pid, parent, session int
	state                byte
	start                string // clock ticks since the machine started
	// execs is true while it becomes another program (execve): for that moment it shows no
	// environment, and then one.
	execs bool
}

// kernelThread is a flag of processes that have no memory, and so never an environment.
const kernelThread = 0x00200000 // PF_KTHREAD

// ended reports whether only the parent's wait for it is missing.
func (p proc) ended() bool { return p.state == 'Z' || p.state == 'X' }

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
	p := proc{pid: pid, state: fields[0][0], start: fields[19]}
	parent, err1 := strconv.Atoi(fields[1])
	session, err2 := strconv.Atoi(fields[3])
	flags, err3 := strconv.ParseUint(fields[6], 10, 64)
	p.parent, p.session = parent, session
	p.execs = fields[48] == "0" && flags&kernelThread == 0 && !p.ended() // env_end
	return p, errors.Join(err1, err2, err3)
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
	if now, err := readProc(p.pid); err == nil && now.start == p.start {
		_ = held.Signal(syscall.SIGKILL)
	}
}

// descendants returns those of all that come from root, and have not ended.
func descendants(all []proc, root int) (found []proc) {
	children := make(map[int][]proc, len(all))
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
	}
	seen := map[int]bool{root: true} // numbers that change hands while /proc is read could make a circle
	for next := []int{root}; len(next) > 0; {
		parent := next[0]
		next = next[1:]
		for _, p := range children[parent] {
			if seen[p.pid] {
				continue
			}
			seen[p.pid] = true
			next = append(next, p.pid)
			if !p.ended() {
				found = append(found, p)
			}
		}
	}
	return found
}
