package edge

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// DefaultHeaderLimit bounds what the header of one answer may cost, in bytes.
const DefaultHeaderLimit = 256 << 10

// headerLine is what a header line costs beside its own bytes. A parsed field takes a map entry, a
// slice and two strings, several times over on its way to the client.
const headerLine = 256

var (
	errHeaderTooLong = errors.New("the instance's response header is too long")
	errStatusLine    = errors.New("the instance's status line is malformed")
)

// headerGuard counts what an answer's header costs while its bytes arrive, informational answers
// included. Parsers count bytes alone, and only the parsed header shows how many fields there are.
type headerGuard struct {
	left    int64
	on      bool     // in a header
	status  bool     // in a status line
	interim bool     // in the header of an informational answer
	start   [24]byte // of the status line
	line    int      // bytes of this line so far
	cr      bool     // the first of them is a CR
}

// begin expects a new answer.
func (h *headerGuard) begin(limit int64) { *h = headerGuard{left: limit, on: true, status: true} }

// pass counts bytes that arrived.
func (h *headerGuard) pass(p []byte) error {
	for h.on && len(p) > 0 {
		part, rest, whole := bytes.Cut(p, []byte{'\n'})
		p = rest
		if h.status && h.line < len(h.start) {
			copy(h.start[h.line:], part)
		}
		if h.line == 0 && len(part) == 1 {
			h.cr = part[0] == '\r'
		}
		h.line += len(part)
		h.left -= int64(len(part))
		if whole {
			h.left -= headerLine
			if err := h.endLine(); err != nil {
				return err
			}
		}
		if h.left < 0 {
			return errHeaderTooLong
		}
	}
	return nil
}

func (h *headerGuard) endLine() error {
	blank := h.line == 0 || h.line == 1 && h.cr
	switch {
	case h.status:
		code, ok := statusOf(h.start[:min(h.line, len(h.start))])
		if !ok {
			return errStatusLine
		}
		h.status, h.interim = false, code[0] == '1' && string(code) != "101"
	case blank && h.interim: // another header follows
		h.status = true
	case blank:
		h.on = false
	}
	h.line, h.cr = 0, false
	return nil
}

// statusOf returns the three bytes of a status code.
func statusOf(line []byte) (code []byte, ok bool) {
	_, rest, _ := bytes.Cut(line, []byte{' '})
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) < 3 {
		return nil, false
	}
	return rest[:3], true
}

// headerCost is what a parsed header costs.
func headerCost(h http.Header) (n int64) {
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(v) + headerLine)
		}
	}
	return n
}

// guardedConn is a connection of http.Transport whose answers' headers are counted.
type guardedConn struct {
	net.Conn
	limit int64
	fresh atomic.Bool // a new exchange begins
	guard headerGuard // of the goroutine that reads
}

// Read implements io.Reader.
func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.fresh.Swap(false) {
		c.guard.begin(c.limit)
	}
	if e := c.guard.pass(p[:n]); e != nil {
		return 0, e
	}
	return n, err
}

// CloseWrite passes a half-close on, when the connection can.
func (c *guardedConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return http.ErrNotSupported
}

// DialFunc opens a connection, as http.Transport's DialContext does.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// GuardDial makes a dialer's connections count the headers of answers, for a transport that
// Guarded wraps.
func GuardDial(dial DialFunc, limit int64) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guardedConn{Conn: c, limit: limit}, nil
	}
}

// Guarded bounds the headers that a transport's answers may have. Its connections come from
// GuardDial; those that speak HTTP/2 are judged after their headers were read, which that protocol
// bounds itself.
type Guarded struct {
	http.RoundTripper
	HeaderBytes int64
}

// RoundTrip implements http.RoundTripper.
func (t Guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if c, ok := info.Conn.(*guardedConn); ok {
			c.fresh.Store(true)
		}
	}}
	ctx := httptrace.WithClientTrace(r.Context(), trace)
	res, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err == nil && headerCost(res.Header) > t.HeaderBytes {
		_ = res.Body.Close()
		return nil, errHeaderTooLong
	}
	return res, err
}
