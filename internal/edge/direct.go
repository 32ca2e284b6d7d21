package edge

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Direct makes the plain round trip, a GET or HEAD without a body, in the
// goroutine that asks for it. http.Transport hands each request to two others
// that own the connection, which costs more than the exchange itself; what needs
// them (bodies, upgrades) is theirs still. See Takes.
//
// A connection carries one exchange at a time, belongs to one generation of one
// org (the host of the request's URL), and is used again only when the answer
// was read to its end, nothing came after it, and the instance has not closed it.
type Direct struct {
	Dial DialFunc
	// Idle is how many connections of one host are kept, IdleTimeout for how long.
	Idle        int
	IdleTimeout time.Duration
	// HeaderTimeout bounds the wait for an answer's header; 0 = none.
	HeaderTimeout time.Duration
	// HeaderBytes bounds what an answer's headers cost, informational ones included: their bytes,
	// and some more a line.
	HeaderBytes int64
	// ReadBuffer and WriteBuffer are the sizes of a connection's buffers in bytes. Default: 4 KiB.
	ReadBuffer, WriteBuffer int

	mu     sync.Mutex
	idle   map[string][]*directConn // the last used one at the end
	closed bool
}

// Takes reports whether a request is one for Direct.
func (*Direct) Takes(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody) &&
		len(r.TransferEncoding) == 0 && len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0 && !r.Close
}

// directConn is a connection with its buffers.
type directConn struct {
	net.Conn
	br    *bufio.Reader
	bw    *bufio.Writer
	guard headerGuard
	got   bool // something was read in this exchange
	since time.Time
}

// Read implements io.Reader for the buffer.
func (c *directConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got = c.got || n > 0
	if e := c.guard.pass(p[:n]); e != nil {
		return 0, e
	}
	return n, err
}

// RoundTrip implements http.RoundTripper. Errors of the dialer come as they are.
func (d *Direct) RoundTrip(r *http.Request) (*http.Response, error) { return d.roundTrip(r, nil) }

// roundTrip is RoundTrip for an exchange that can be cut; nil = none.
func (d *Direct) roundTrip(r *http.Request, x *exchange) (*http.Response, error) {
	if err := valid(r); err != nil {
		return nil, err
	}
	ctx, key := r.Context(), r.URL.Host
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if c := d.take(key); c != nil {
		res, err := d.exchange(ctx, c, key, r, x)
		cut := x != nil && x.bye.Load() != nil
		if err == nil || c.got || ctx.Err() != nil || timedOut(err) || cut {
			return res, err
		}
		// It closed in this very moment, and has not seen the request or not answered: a GET may be sent again.
	}
	conn, err := d.Dial(ctx, "tcp", key)
	if err != nil {
		return nil, err
	}
	c := &directConn{Conn: conn}
	c.br = bufio.NewReaderSize(c, cmp.Or(d.ReadBuffer, 4<<10))
	c.bw = bufio.NewWriterSize(conn, cmp.Or(d.WriteBuffer, 4<<10))
	return d.exchange(ctx, c, key, r, x)
}

// valid refuses what http.Transport refuses to send. Request.Write would leave it out, or mend it.
func valid(r *http.Request) error {
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("invalid header field name %q", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("invalid header field value for %q", name)
			}
		}
	}
	return nil
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// exchange sends the request and reads the answer's header. On an error the connection is closed.
func (d *Direct) exchange(ctx context.Context, c *directConn, key string, r *http.Request, x *exchange) (*http.Response, error) {
	b := &directBody{direct: d, conn: c, key: key, ctx: ctx}
	b.stop = context.AfterFunc(ctx, b.abort)
	c.got = false
	c.guard.begin(d.HeaderBytes)
	if x != nil {
		x.hold(b)
	}
	res, err := d.answer(ctx, c, r)
	if err != nil {
		b.finish(bodyBroken)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	b.ReadCloser, b.again = res.Body, !res.Close
	if res.Body == http.NoBody {
		b.finish(bodyWhole)
		return res, nil
	}
	res.Body = b
	return res, nil
}

func (d *Direct) answer(ctx context.Context, c *directConn, r *http.Request) (*http.Response, error) {
	if err := r.Write(c.bw); err != nil {
		return nil, err
	}
	if err := c.bw.Flush(); err != nil {
		return nil, err
	}
	if d.HeaderTimeout > 0 {
		if err := c.SetReadDeadline(time.Now().Add(d.HeaderTimeout)); err != nil {
			return nil, err
		}
	}
	// The answer cannot be there yet. Others have their turn, which keeps the slowest requests of a busy
	// server from waiting long, and the read below mostly finds something.
	runtime.Gosched()
	for {
		res, err := http.ReadResponse(c.br, r)
		if err != nil {
			return nil, err
		}
		switch {
		case badStatus(res.StatusCode):
			return nil, errStatusLine
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitches
		case res.StatusCode < 200:
			if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.Got1xxResponse != nil {
				if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
					return nil, err
				}
			}
			continue
		case d.HeaderTimeout > 0:
			err = c.SetReadDeadline(time.Time{})
		}
		return res, err
	}
}

// take returns the idle connection that was used last, if it can be used.
func (d *Direct) take(key string) *directConn {
	for {
		d.mu.Lock()
		list := d.idle[key]
		if len(list) == 0 {
			d.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		list[len(list)-1] = nil
		if list = list[:len(list)-1]; len(list) == 0 {
			delete(d.idle, key)
		} else {
			d.idle[key] = list
		}
		d.mu.Unlock()
		if time.Since(c.since) < d.IdleTimeout && quiet(c.Conn) {
			return c
		}
		_ = c.Close()
	}
}

func (d *Direct) put(key string, c *directConn) {
	c.since = time.Now()
	d.mu.Lock()
	if !d.closed && len(d.idle[key]) < d.Idle {
		if d.idle == nil {
			d.idle = map[string][]*directConn{}
		}
		d.idle[key] = append(d.idle[key], c)
		c = nil
	}
	d.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

// Sweep closes connections that were idle for too long. Call it now and then.
func (d *Direct) Sweep() {
	d.drop(func(c *directConn) bool { return time.Since(c.since) >= d.IdleTimeout })
}

// Close closes idle connections, and those in use once they are no more.
func (d *Direct) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.drop(func(*directConn) bool { return true })
}

func (d *Direct) drop(old func(*directConn) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, list := range d.idle {
		keep := list[:0]
		for _, c := range list {
			if old(c) {
				_ = c.Close()
			} else {
				keep = append(keep, c)
			}
		}
		clear(list[len(keep):])
		if d.idle[key] = keep; len(keep) == 0 {
			delete(d.idle, key)
		}
	}
}

// directBody is an answer's body, whose end gives the connection back. Until the answer is there it
// stands for the exchange alone.
type directBody struct {
	io.ReadCloser
	direct *Direct
	conn   *directConn
	key    string
	stop   func() bool
	ctx    context.Context //nolint:containedctx // of the request, whose end ends the body
	again  bool
	state  atomic.Int32 // bodyOpen, and then one of the others for good
}

const (
	bodyOpen int32 = iota
	bodyWhole
	bodyBroken
	bodyCut
)

// Read implements io.Reader.
func (b *directBody) Read(p []byte) (int, error) {
	switch b.state.Load() {
	case bodyWhole:
		return 0, io.EOF
	case bodyCut:
		return 0, ErrRevoked
	case bodyBroken: // half an answer must not pass for a whole one
		return 0, b.why(http.ErrBodyReadAfterClose)
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.finish(bodyWhole)
	default:
		b.finish(bodyBroken)
		err = b.why(err)
	}
	if b.state.Load() == bodyCut { // what was buffered does not pass either
		return 0, ErrRevoked
	}
	return n, err
}

// why is the reason why the request's context ended, or err.
func (b *directBody) why(err error) error {
	if cause := context.Cause(b.ctx); cause != nil {
		return cause
	}
	return err
}

// Close implements io.Closer. An answer that was not read to its end takes its connection with it. It may
// come while Read waits, which then fails.
func (b *directBody) Close() error {
	b.finish(bodyBroken)
	return nil
}

// end implements part.
func (b *directBody) end(farewell) { b.finish(bodyCut) }

// abort ends the exchange with its request's context. It may run before stop is set.
func (b *directBody) abort() {
	if b.state.CompareAndSwap(bodyOpen, bodyBroken) {
		_ = b.conn.Close()
	}
}

// finish ends the exchange once, and reports whether this call did.
func (b *directBody) finish(state int32) bool {
	if !b.state.CompareAndSwap(bodyOpen, state) {
		return false
	}
	b.stop()
	if state == bodyWhole && b.again && b.conn.br.Buffered() == 0 {
		b.direct.put(b.key, b.conn)
		return true
	}
	_ = b.conn.Close()
	return true
}
