package postgres

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUp bounds how long a connection waits for a server that does not acknowledge what it was sent.
func giveUp(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000) // ms
	})
	if err != nil {
		return err
	}
	return failed
}
