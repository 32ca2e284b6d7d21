//go:build linux && !portable

package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/processtree"
)

// Leftovers are what an instance started and what outlived its shim, which only SIGKILL ends
// before them. They are found by their environment: it names their run directory, which no other
// instance has. A process can claim that for itself alone, and what runs as another
// user is left alone.

const (
	// execWaits is how often a look at all processes waits for a millisecond for those that show no
	// environment. One that becomes another program shows it within milliseconds; one that hides it
	// never does.
	execWaits = 50
	// endingWait is how long processes may take that have begun to end. Some may hang in the kernel.
	endingWait = time.Second
)

// leftovers returns those of run directories, by directory, and which processes of this user are
// ending: they no longer show whose they are. Nobody holds the lock of a directory.
func leftovers(dirs ...string) (found map[string][]processtree.Proc, ending []processtree.Proc, err error) {
	if len(dirs) == 0 {
		return nil, nil, nil
	}
	all, err := processtree.All()
	if err != nil {
		return nil, nil, fmt.Errorf("process: list processes: %w", err)
	}
	found = map[string][]processtree.Proc{}
	self, waits := os.Getpid(), execWaits
	for _, p := range all {
		if p.PID == self || p.Ended || !sameUser(p.PID) {
			continue
		}
		for ; p.Execs && waits > 0; waits-- {
			time.Sleep(time.Millisecond)
			now, err := processtree.Read(p.PID)
			if err != nil || now.ID != p.ID {
				break
			}
			p = now
		}
		if p.Ending {
			ending = append(ending, p)
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "environ"))
		if err != nil {
			continue // it has ended, or hides it (PR_SET_DUMPABLE)
		}
		for _, dir := range dirs {
			if hasVariable(env, markers(dir)...) {
				found[dir] = append(found[dir], p)
			}
		}
	}
	return found, ending, nil
}

func sameUser(pid int) bool {
	i, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	if err != nil {
		return false
	}
	s, ok := i.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// hasVariable reports whether an environment, as /proc shows it, holds one of some "name=value".
func hasVariable(env []byte, variables ...string) bool {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if slices.Contains(variables, string(entry)) {
			return true
		}
	}
	return false
}

// endLeftovers ends the leftovers of a run directory whose lock the caller holds. None of them holds
// a file any more when it returns.
func endLeftovers(ctx context.Context, dir string) error {
	patience := time.Now().Add(endingWait)
	var left map[processtree.ID]bool // to wait for
	for {
		found, ending, err := leftovers(dir)
		if err != nil {
			return err
		}
		if left == nil { // those that begin to end later have shown whose they are
			left = map[processtree.ID]bool{}
			for _, p := range ending {
				left[p.ID] = true
			}
		}
		for _, p := range found[dir] {
			p.Kill()
			left[p.ID] = true
			patience = time.Now().Add(endingWait)
		}
		for id := range left {
			if now, err := processtree.Read(id.PID); err != nil || now.ID != id || now.Ended {
				delete(left, id)
			}
		}
		if len(found[dir]) == 0 && (len(left) == 0 || time.Now().After(patience)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("what an earlier run left in %s does not end: %w", dir, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// reapAdopted waits for what ended as a child of this process, but is none of its own: the first
// process of a container gets the leftovers of shims that were killed. What the server itself
// starts is in its session, except for shims, whose wait elsewhere may fail.
func reapAdopted() {
	all, err := processtree.All()
	if err != nil {
		return
	}
	self, err := processtree.Read(os.Getpid())
	if err != nil {
		return
	}
	for _, p := range all {
		if p.Parent == self.PID && p.Session != self.Session && p.Ended {
			_, _ = syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil)
		}
	}
}
