//go:build linux && !portable

package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Leftovers are what an instance started and what outlived its shim, which only SIGKILL ends
// before them. They are found by their environment: it names the socket of their run directory,
// which no other instance has. A process can claim that for itself alone, and what runs as another
// user is left alone.

// execWait is how long a look at all processes waits for those that show no environment. One that
// becomes another program shows it within milliseconds; one that hides it never does.
const execWait = 50 * time.Millisecond

// leftovers returns those of run directories, by directory. Nobody holds the lock of one.
func leftovers(dirs ...string) (map[string][]proc, error) {
	if len(dirs) == 0 {
		return nil, nil
	}
	all, err := allProcs()
	if err != nil {
		return nil, fmt.Errorf("process: list processes: %w", err)
	}
	found := map[string][]proc{}
	self, patience := os.Getpid(), time.Now().Add(execWait)
	for _, p := range all {
		if p.pid == self || p.ended() || !sameUser(p.pid) {
			continue
		}
		for p.execs && time.Now().Before(patience) {
			time.Sleep(time.Millisecond)
			now, err := readProc(p.pid)
			if err != nil || now.start != p.start {
				break
			}
			p = now
		}
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "environ"))
		if err != nil {
			continue // it has ended, or hides it (PR_SET_DUMPABLE)
		}
		for _, dir := range dirs {
			if hasVariable(env, marker(dir)) {
				found[dir] = append(found[dir], p)
			}
		}
	}
	return found, nil
}

func sameUser(pid int) bool {
	i, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	if err != nil {
		return false
	}
	s, ok := i.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// hasVariable reports whether an environment, as /proc shows it, holds "name=value".
func hasVariable(env []byte, variable string) bool {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if string(entry) == variable {
			return true
		}
	}
	return false
}

// endLeftovers ends the leftovers of a run directory whose lock the caller holds.
func endLeftovers(ctx context.Context, dir string) error {
	for {
		found, err := leftovers(dir)
		if err != nil || len(found[dir]) == 0 {
			return err
		}
		for _, p := range found[dir] {
			p.kill()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d of an earlier run does not end: %w",
				found[dir][0].pid, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// reapAdopted waits for what ended as a child of this process, but is none of its own: the first
// process of a container gets the leftovers of shims that were killed. What the server itself
// starts is in its session, except for shims, whose wait elsewhere may fail.
func reapAdopted() {
	all, err := allProcs()
	if err != nil {
		return
	}
	self, err := readProc(os.Getpid())
	if err != nil {
		return
	}
	for _, p := range all {
		if p.parent == self.pid && p.session != self.session && p.ended() {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		}
	}
}
