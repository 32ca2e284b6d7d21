//go:build linux

package dockertest

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Dial connects to a TCP address in the engine's network, where its containers publish ports.
func (e *Engine) Dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = e.inside(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// Listen listens in the network of the engine, until the end of a test: at 127.0.0.1 for the engine
// itself, or at the address of its bridge for containers.
func (e *Engine) Listen(t testing.TB, address string) (l net.Listener) {
	t.Helper()
	if err := e.inside(func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// inside runs do on a thread that is in the engine's network for as long. A thread that does not come
// back is never unlocked, and so ends with its goroutine.
func (e *Engine) inside(do func() error) error {
	there, err := unix.Open("/run/netns/"+e.netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(there) }()
	runtime.LockOSThread()
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = unix.Close(here) }()
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = do()
	if back := unix.Setns(here, unix.CLONE_NEWNET); back != nil {
		return errors.Join(back, err)
	}
	runtime.UnlockOSThread()
	return err
}
