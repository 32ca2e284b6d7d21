package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// put puts something into the place of what is at a path:
//
//	put nothing AT
//	put link AT TO       a symbolic link
//	put pipe AT          a FIFO, which nobody writes to
//	put directory AT
//	put exchanged AT TO  a link, in one step; what was there is beside it
//
// Several are separated by "--".
func put(what, at string, to ...string) error {
	if what == "exchanged" {
		beside := at + ".beside"
		if err := os.Symlink(to[0], beside); err != nil {
			return err
		}
		return unix.Renameat2(unix.AT_FDCWD, beside, unix.AT_FDCWD, at, unix.RENAME_EXCHANGE)
	}
	if err := os.RemoveAll(at); err != nil {
		return err
	}
	switch what {
	case "nothing":
		return nil
	case "link":
		return os.Symlink(to[0], at)
	case "pipe":
		return unix.Mkfifo(at, 0o666)
	case "directory":
		return os.Mkdir(at, 0o700)
	}
	return errors.New("put what?")
}

// split cuts words at each "--".
func split(words []string) (all [][]string) {
	for {
		i := slices.Index(words, "--")
		if i < 0 {
			return append(all, words)
		}
		all, words = append(all, words[:i]), words[i+1:]
	}
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
