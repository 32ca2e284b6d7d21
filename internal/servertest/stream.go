package servertest

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Stream is an answer that is read line by line.
type Stream struct {
	lines chan string
	end   func()
}

// Stream opens an answer that goes on. Headers are names and values. It ends with the test.
func (p *Person) Stream(t testing.TB, target string, headers ...string) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.Client.Do(req) //nolint:bodyclose // end closes it
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s := &Stream{lines: make(chan string), end: func() { cancel(); _ = res.Body.Close() }}
	t.Cleanup(s.end)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", target, res.StatusCode)
	}
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			select {
			case s.lines <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

// Next is the next line, or false when the stream has ended. It fails the test after a minute.
func (s *Stream) Next(t testing.TB) (line string, ok bool) {
	t.Helper()
	select {
	case line, ok = <-s.lines:
	case <-time.After(time.Minute):
		t.Fatal("nothing comes from the stream")
	}
	return line, ok
}

// Until reads up to a line that holds a text, and returns it.
func (s *Stream) Until(t testing.TB, text string) string {
	t.Helper()
	for {
		line, ok := s.Next(t)
		if !ok {
			t.Fatalf("the stream ended without %q", text)
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// Ended reads to the end.
func (s *Stream) Ended(t testing.TB) {
	t.Helper()
	for ok := true; ok; {
		_, ok = s.Next(t)
	}
}

// Close ends the stream.
func (s *Stream) Close() { s.end() }
