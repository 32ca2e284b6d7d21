package sockets

import (
	"errors"
	"fmt"
	"io"
)

var errNotRegular = errors.New("not a regular file")

// ReadFile reads a file as OpenFile finds it, of at most so many bytes.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return b, err
}
