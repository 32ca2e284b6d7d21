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
	dir, name, err := openDir(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	_ = unix.Close(dir)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = notSocket(path)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Socket{fmt.Sprintf("/proc/self/fd/%d", fd), fd}, nil
}

// openDir opens the directory of a path, which is no link, and returns the rest of the path.
func openDir(path string) (fd int, name string, err error) {
	dir, name := filepath.Split(filepath.Clean(path))
	above, leaf := filepath.Split(filepath.Clean(dir))
	if leaf == "" { // the root, which is nobody else's
		leaf = "."
	}
	top, err := unix.Openat(unix.AT_FDCWD, filepath.Clean(above), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		fd, err = unix.Openat(top, leaf, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = unix.Close(top)
	}
	if err != nil {
		return -1, "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, name, nil
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
