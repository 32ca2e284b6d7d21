//go:build linux || darwin

package hostside

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"

	"github.com/pizzaface/pizzeria/internal/agent"
)

// maxLogLine is how long a line of a log file may be: the agent's are shorter, also in JSON.
const maxLogLine = 128 << 10

// messages reads what was printed out of a log in JSON lines. Lines that are none come from earlier
// versions, and are passed as they are.
type messages struct {
	from io.ReadCloser
	in   *bufio.Reader
	left []byte
}

func newMessages(from io.ReadCloser) *messages {
	return &messages{from: from, in: bufio.NewReaderSize(from, maxLogLine)}
}

// Read implements io.Reader.
func (m *messages) Read(p []byte) (int, error) {
	if len(m.left) == 0 {
		line, err := m.in.ReadSlice('\n')
		if len(line) == 0 {
			return 0, err
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, err
		}
		m.left = message(line)
	}
	n := copy(p, m.left)
	m.left = m.left[n:]
	return n, nil
}

// Close implements io.Closer.
func (m *messages) Close() error { return m.from.Close() }

// message is what a line of the log says.
func message(line []byte) []byte {
	var l agent.Line
	if line[0] != '{' || json.Unmarshal(line, &l) != nil || l.Stream == "" || l.Time.IsZero() {
		return line
	}
	return append([]byte(l.Msg), '\n')
}
