package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// put puts something into the place of what is at a path, in one step:
//
//	put link AT TO       a symbolic link
//	put pipe AT          a FIFO, which nobody writes to
//	put directory AT
//	put exchanged AT TO  a link, and what was at AT is beside it
func put(what, at string, to ...string) error {
	next := filepath.Join(filepath.Dir(at), ".put")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	flags := uint(0)
	var err error
	switch what {
	case "link":
		err = os.Symlink(to[0], next)
	case "pipe":
		err = unix.Mkfifo(next, 0o666)
	case "directory":
		err = os.RemoveAll(at)
		if err == nil {
			err = os.Mkdir(next, 0o700)
		}
	case "exchanged":
		err = os.Symlink(to[0], next)
		flags = unix.RENAME_EXCHANGE
	default:
		err = errors.New("put what?")
	}
	if err != nil {
		return err
	}
	return unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, at, flags)
}

// lie listens at a socket in an agent's place. Its heartbeat is what it is told to say, and anything
// else has no end.
func lie(at, heartbeat string) error {
	if err := os.RemoveAll(at); err != nil {
		return err
	}
	l, err := net.Listen("unix", at)
	if err != nil {
		return err
	}
	http.HandleFunc("/heartbeat", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, heartbeat) })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		for line := []byte("basil 1\n"); ; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	fmt.Println("listening")
	return http.Serve(l, nil) //nolint:gosec // a test's
}
