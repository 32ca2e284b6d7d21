package edge

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestHeaderGuard: where the header of an answer ends, however its bytes are cut into reads; what
// is counted, and what is not.
func TestHeaderGuard(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	lines := func(n int) string { return strings.Repeat("aaa:\r\n", n) }
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"a short header":                {ok + "\r\n", nil},
		"lines of a body do not count":  {ok + "\r\n" + strings.Repeat("\n", 5000), nil},
		"of an unfinished header do":    {ok + lines(11), errHeaderTooLong},
		"just enough":                   {ok + lines(7) + "\r\n" + strings.Repeat("\n", 500), nil},
		"one too many":                  {ok + lines(9) + "\r\n", errHeaderTooLong},
		"bare line feeds":               {"HTTP/1.1 200 OK\n\n" + strings.Repeat("\n", 5000), nil},
		"a carriage return is no end":   {ok + "\r\r\n" + strings.Repeat("\n\n", 5), nil},
		"a long line":                   {ok + "A: " + strings.Repeat("x", 3000), errHeaderTooLong},
		"a long status line":            {"HTTP/1.1 200 " + strings.Repeat("x", 3000), errHeaderTooLong},
		"informational answers add up":  {strings.Repeat("HTTP/1.1 103 E\r\n\r\n", 9) + ok + "\r\n", errHeaderTooLong},
		"two of them":                   {strings.Repeat("HTTP/1.1 103 E\r\n\r\n", 2) + ok + "\r\n" + strings.Repeat("\n", 500), nil},
		"a bomb after one":              {"HTTP/1.1 100 C\r\n\r\n" + ok + lines(100), errHeaderTooLong},
		"no bomb in a new protocol":     {"HTTP/1.1 101 S\r\n\r\n" + lines(1000), nil},
		"the code hidden behind spaces": {"HTTP/1.1" + strings.Repeat(" ", 40) + "103 E\r\n\r\n" + ok + lines(100), errStatusLine},
		"no code":                       {"HTTP/1.1\r\n\r\n", errStatusLine},
	} {
		for _, step := range []int{1, 2, 7, 4096, 1 << 20} {
			var h headerGuard
			h.begin(10 * (headerLine - 1))
			var err error
			for rest := c.answer; rest != "" && err == nil; {
				n := min(step, len(rest))
				err = h.pass([]byte(rest[:n]))
				rest = rest[n:]
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s, in steps of %d: %v, want %v", name, step, err, c.want)
			}
		}
	}
}

// TestHeaderBombs: headers that cost much memory are refused on both ways, whatever they are made
// of; large ones that do not pass.
func TestHeaderBombs(t *testing.T) {
	f := newFixture(t)
	const ok = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	end := "Content-Length: 2\r\n\r\nhi"
	tiny := func(n int) string { return strings.Repeat("abcd:\r\n", n) }
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"tiny headers":         {ok + tiny(30_000) + end, false},
		"without an end":       {ok + tiny(30_000), false},
		"one long":             {ok + "X: " + strings.Repeat("x", DefaultHeaderLimit) + "\r\n" + end, false},
		"in a hint":            {"HTTP/1.1 103 E\r\n" + tiny(30_000) + "\r\n" + ok + end, false},
		"many hints":           {strings.Repeat("HTTP/1.1 103 E\r\n\r\n", 10_000) + ok + end, false},
		"in trailers":          {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + strings.Repeat("a:\r\n", 100_000) + "\r\n", false},
		"in short trailers":    {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + strings.Repeat("a:\r\n", 1020) + "\r\n", false},
		"100 cookies of 2 KiB": {ok + strings.Repeat("Set-Cookie: a="+strings.Repeat("x", 2000)+"\r\n", 100) + end, true},
		"900 headers":          {ok + tiny(900) + end, true},
		"some trailers":        {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + strings.Repeat("a:\r\n", 500) + "\r\n", true},
		"lines of a body":      {ok + "Content-Length: 300000\r\n\r\n" + strings.Repeat("\n", 300_000), true},
	} {
		i := listen(t, says(c.answer))
		direct, around := i.transports(t)
		for way, tr := range map[string]*Transports{"direct": direct, "around": around} {
			_, _, st := f.ask()
			r := httptest.NewRequest("GET", "http://acme.d.example/", nil)
			r.Body = nil
			tr := *tr
			if name == "in short trailers" {
				tr.HeaderBytes = 200 << 10 // a buffer of 4 KiB holds none that cost more than the default
			}
			res, err := f.g.RoundTrip(st, r, &tr)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
			}
			if (err == nil) != c.ok {
				t.Errorf("%s, %s: %v", name, way, err)
			}
			st.End()
		}
	}
}

// TestHeaderCost: h2c upstreams send headers that are judged when they are parsed.
func TestHeaderCost(t *testing.T) {
	h := http.Header{}
	for range DefaultHeaderLimit / headerLine {
		h.Add("A", "")
	}
	body := io.NopCloser(iotest.ErrReader(io.EOF))
	tr := Guarded{HeaderBytes: DefaultHeaderLimit, RoundTripper: roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: h, Body: body}, nil
	})}
	if _, err := tr.RoundTrip(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, errHeaderTooLong) {
		t.Errorf("%v", err)
	}
}
