//go:build linux || darwin

package processtree

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Tree is what this process has started with it. A process has one at a time, and starts nothing
// otherwise: the tree waits for every child.
type Tree struct {
	lock *os.File // shared with guards; see startOne

	mu      sync.Mutex
	running map[int]*Process // by process ID
	ended   bool
	system
}

// Process is one that was started directly.
type Process struct {
	pid    int
	group  int
	done   chan struct{}
	status syscall.WaitStatus // set before done is closed

	mu *sync.Mutex // the tree's: while it is held, a process that is not done keeps its ID
}

// Start starts cmd in a process group of its own, which ends with this process. The output of cmd
// must be files: nobody calls its Wait.
func (t *Tree) Start(cmd *exec.Cmd) (*Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, errors.New("the tree has ended")
	}
	p, err := t.startOne(cmd)
	if err != nil {
		return nil, err
	}
	t.running[p.pid] = p
	return p, nil
}

// settle notes how a process ended. The tree is locked.
func (t *Tree) settle(pid int, status syscall.WaitStatus) {
	if p := t.running[pid]; p != nil {
		delete(t.running, pid)
		p.status = status
		close(p.done)
	}
}

// PID is the process's ID.
func (p *Process) PID() int { return p.pid }

// Done is closed when the process has ended. What it started may go on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status says how the process ended, once Done is closed.
func (p *Process) Status() syscall.WaitStatus { return p.status }

// Signal sends a signal to the process group, unless the process has ended.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.group, s)
	}
}

// Kill ends the process and its group.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have left its group
	}
}
