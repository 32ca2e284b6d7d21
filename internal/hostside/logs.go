//go:build linux || darwin

package hostside

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

const (
	logWindow = 1 << 20 // bytes looked back for the newest lines
	logPoll   = 250 * time.Millisecond
)

// Logs reads the log that an agent writes, as provision.Provider's Logs. It looks back over at most
// 1 MiB, and returns what was printed, without the JSON around it. The log may be an org's.
func Logs(ctx context.Context, path string, lines int, follow bool) (io.ReadCloser, error) {
	f, err := sockets.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) && !follow {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	t := &reader{ctx: ctx, path: path, f: f, follow: follow}
	if f != nil {
		if err := t.back(lines); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return newMessages(t), nil
}

// reader reads a log from its newest lines on; when it follows, also what is
// written later and what comes after the file was rotated.
type reader struct {
	ctx    context.Context //nolint:containedctx // ends the reader
	path   string
	f      *os.File // nil: not there yet
	follow bool
}

// back goes to the beginning of the newest lines.
func (t *reader) back(lines int) error {
	size, err := t.f.Seek(0, io.SeekEnd)
	if err != nil || lines == 0 {
		return err
	}
	from := max(0, size-logWindow)
	b := make([]byte, size-from)
	if _, err := t.f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	at := len(bytes.TrimSuffix(b, []byte("\n")))
	for range lines {
		at = bytes.LastIndexByte(b[:max(0, at)], '\n')
		if at < 0 {
			break
		}
	}
	if at < 0 && from > 0 { // the first line is cut: begin at the next
		at = bytes.IndexByte(b, '\n')
	}
	_, err = t.f.Seek(from+int64(at)+1, io.SeekStart)
	return err
}

// Read implements io.Reader.
func (t *reader) Read(b []byte) (int, error) {
	for {
		if t.f != nil {
			n, err := t.f.Read(b)
			if n > 0 || err != nil && !errors.Is(err, io.EOF) || !t.follow {
				return n, err
			}
		}
		rotated, err := t.reopen()
		if err != nil {
			return 0, err
		}
		if rotated {
			continue
		}
		select {
		case <-t.ctx.Done():
			return 0, io.EOF
		case <-time.After(logPoll):
		}
	}
}

// reopen takes the new file when the log was rotated, or is there at last.
func (t *reader) reopen() (bool, error) {
	f, err := sockets.OpenFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if t.f != nil {
		was, err1 := t.f.Stat()
		is, err2 := f.Stat()
		if err := errors.Join(err1, err2); err != nil || os.SameFile(was, is) {
			return false, errors.Join(err, f.Close())
		}
		_ = t.f.Close()
	}
	t.f = f
	return true, nil
}

// Close implements io.Closer.
func (t *reader) Close() error {
	if t.f == nil {
		return nil
	}
	return t.f.Close()
}
