//go:build unix

package sockets

import (
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// listeners returns where this process listens, also by descriptors that it inherited.
func listeners() (all []net.Addr) {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
			continue
		}
		switch at, _ := unix.Getsockname(fd); at := at.(type) {
		case *unix.SockaddrInet4:
			all = append(all, &net.TCPAddr{IP: at.Addr[:], Port: at.Port})
		case *unix.SockaddrInet6:
			all = append(all, &net.TCPAddr{IP: at.Addr[:], Port: at.Port})
		case *unix.SockaddrUnix:
			all = append(all, &net.UnixAddr{Name: at.Name, Net: "unix"})
		}
	}
	return all
}
