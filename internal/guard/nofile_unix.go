//go:build unix

package guard

import "syscall"

// connectionsOfProcess is how many connections without a session this process may
// have: half of its file descriptors, and 8192 at most. The rest is for people
// who are signed in, and for instances.
func connectionsOfProcess() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(max(uint64(l.Cur)/2, 64), 8192)) //nolint:gosec,unconvert // it fits; Cur is signed on some systems
}
