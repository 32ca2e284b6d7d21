package servertest

import (
	"context"
	"io"
	"sync"
)

// log is what instances print.
type log struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed with the next line
}

func newLog() *log { return &log{more: make(chan struct{})} }

func (l *log) print(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line+"\n")
	close(l.more)
	l.more = make(chan struct{})
}

// from returns the lines from the nth on, and a channel that is closed with the next one.
func (l *log) from(n int) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[n:], l.more
}

// read returns the newest lines, and with follow those that come until the reader is closed.
func (l *log) read(ctx context.Context, newest int, follow bool) io.ReadCloser {
	all, _ := l.from(0)
	at := max(0, len(all)-newest)
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	go func() {
		defer cancel()
		for {
			lines, more := l.from(at)
			at += len(lines)
			for _, line := range lines {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
			if !follow {
				_ = w.Close()
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				_ = w.CloseWithError(ctx.Err())
				return
			}
		}
	}()
	return logReader{r, cancel}
}

type logReader struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (r logReader) Close() error {
	r.cancel()
	return r.PipeReader.Close()
}
