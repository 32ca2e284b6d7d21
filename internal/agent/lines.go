//go:build linux || darwin

package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// maxLine is how long a line of the log can be, in bytes. Longer ones are continued on the next.
const maxLine = 16 << 10

// Line is one line of the log.
type Line struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"`         // stdout, stderr, or agent
	From   string    `json:"from,omitempty"` // the sidecar that wrote it
	Msg    string    `json:"msg"`
}

// logbook writes lines without secrets.
type logbook struct {
	redact *redactor
	now    func() time.Time

	mu sync.Mutex
	to io.Writer
}

// write returns how many bytes of text the line holds: all, unless it would be longer than end.
func (l *logbook) write(stream, from string, text []byte, end int) int {
	msg, n := l.redact.clean(text, end)
	b, err := json.Marshal(Line{Time: l.now().UTC(), Stream: stream, From: from, Msg: msg})
	if err == nil {
		l.mu.Lock()
		_, _ = l.to.Write(append(b, '\n'))
		l.mu.Unlock()
	}
	return n
}

// say writes a line of the agent's own.
func (l *logbook) say(text string) {
	l.write("agent", "", []byte(text), len(text))
}

// Write writes lines of the agent's own, for package log.
func (l *logbook) Write(p []byte) (int, error) {
	l.say(string(bytes.TrimRight(p, "\n")))
	return len(p), nil
}

// copy reads lines until the end. Secrets are found across the borders of what is read at once, and
// of lines that are too long.
func (l *logbook) copy(from io.Reader, stream, sidecar string) error {
	// A long line is cut where no secret that began before the cut could be incomplete.
	limit := maxLine + l.redact.longest()
	buf := make([]byte, 0, 4<<10)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for {
			i := bytes.IndexByte(buf, '\n')
			if i < 0 || i > limit {
				break
			}
			line := bytes.TrimSuffix(buf[:i], []byte("\r"))
			l.write(stream, sidecar, line, len(line))
			buf = append(buf[:0], buf[i+1:]...)
		}
		for len(buf) > limit {
			end := l.write(stream, sidecar, buf, maxLine)
			buf = append(buf[:0], buf[end:]...)
		}
		if err == nil {
			continue
		}
		if len(buf) > 0 {
			l.write(stream, sidecar, buf, len(buf))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	}
}
