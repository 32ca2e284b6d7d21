//go:build linux

package dockertest

import (
	"context"
	"errors"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// Dial connects to a TCP address in the engine's network, where its containers publish ports.
func (e *Engine) Dial(ctx context.Context, address string) (net.Conn, error) {
	there, err := unix.Open("/run/netns/"+e.netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(there) }()
	// A thread that does not come back is never unlocked, and so ends with its goroutine.
	runtime.LockOSThread()
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer func() { _ = unix.Close(here) }()
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if back := unix.Setns(here, unix.CLONE_NEWNET); back != nil {
		return nil, errors.Join(back, err)
	}
	runtime.UnlockOSThread()
	return conn, err
}
