package sockets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Socket is a socket that was found: whatever is at its path now.
type Socket struct {
	path string
	fd   int // -1: of an abstract socket
}

// Open finds the socket at a path. Its directory may belong to somebody else; what is above that may
// not. Neither the directory nor the socket may be a symbolic link. An abstract socket, @name, is in
// no directory.
func Open(path string) (*Socket, error) {
	if strings.HasPrefix(path, "@") {
		return &Socket{path, -1}, nil
	}
	dir, name := filepath.Split(filepath.Clean(path))
	above, leaf := filepath.Split(filepath.Clean(dir))
	if leaf == "" { // the root, which is nobody else's
		leaf = "."
	}
	fd := unix.AT_FDCWD
	for _, step := range []struct {
		name  string
		flags int
	}{
		{filepath.Clean(above), unix.O_DIRECTORY},
		{leaf, unix.O_DIRECTORY | unix.O_NOFOLLOW},
		{name, unix.O_NOFOLLOW},
	} {
		next, err := unix.Openat(fd, step.name, unix.O_PATH|unix.O_CLOEXEC|step.flags, 0)
		if fd != unix.AT_FDCWD {
			_ = unix.Close(fd)
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		fd = next
	}
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = notSocket(path)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Socket{fmt.Sprintf("/proc/self/fd/%d", fd), fd}, nil
}

// Path is where the socket can be dialled until Close. It is short, however long its path is.
func (s *Socket) Path() string { return s.path }

// Close forgets the socket. Connections to it go on.
func (s *Socket) Close() error {
	if s.fd < 0 {
		return nil
	}
	return unix.Close(s.fd)
}
