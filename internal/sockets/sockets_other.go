//go:build !linux

package sockets

import (
	"os"
	"path/filepath"
)

// Socket is a socket that was found. On this system it may be another's by the time it is dialled.
type Socket struct{ path string }

// Open finds the socket at a path. Its directory may belong to somebody else; what is above that may
// not. Neither the directory nor the socket may be a symbolic link.
func Open(path string) (*Socket, error) {
	dir, err := os.Lstat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	s, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !dir.IsDir() || s.Mode().Type() != os.ModeSocket {
		return nil, notSocket(path)
	}
	return &Socket{path}, nil
}

// Path is where the socket can be dialled.
func (s *Socket) Path() string { return s.path }

// Close forgets the socket.
func (s *Socket) Close() error { return nil }

// OpenFile opens a file for reading, as Open finds a socket: it is a regular one, and no link. On this
// system it may be another by the time it is opened.
func OpenFile(path string) (*os.File, error) {
	i, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	return os.Open(path)
}
