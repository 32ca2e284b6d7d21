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

// leftovers returns those of run directories, by directory. Nobody holds the lock of one. unsure
// says that there may be more: some process shows no environment for the moment.
func leftovers(dirs ...string) (found map[string][]proc, unsure bool, err error) {
	if len(dirs) == 0 {
		return nil, false, nil
	}
	all, err := allProcs()
	if err != nil {
		return nil, false, fmt.Errorf("process: list processes: %w", err)
	}
	found = map[string][]proc{}
	self := os.Getpid()
	for _, p := range all {
		if p.pid == self || p.ended() || !sameUser(p.pid) {
			continue
		}
		unsure = unsure || p.execs
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
	return found, unsure, nil
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

// execLooks is how often processes are looked at again that show no environment. One that becomes
// another program shows it within milliseconds; one that hides it never does.
const execLooks = 100

// endLeftovers ends the leftovers of a run directory whose lock the caller holds.
func endLeftovers(ctx context.Context, dir string) error {
	for looks := 0; ; looks++ {
		found, unsure, err := leftovers(dir)
		if err != nil || len(found[dir]) == 0 && (!unsure || looks >= execLooks) {
			return err
		}
		if len(found[dir]) > 0 {
			looks = 0
		}
		for _, p := range found[dir] {
			p.kill()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes of an earlier run do not end (%d seen): %w",
				len(found[dir]), ctx.Err())
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
