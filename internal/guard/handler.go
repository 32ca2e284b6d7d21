package guard

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

type connKey struct{}

// carrier is what a connection's context carries: who knows the Conn, which may
// not be known before the first byte.
type carrier interface{ guardConn() *Conn }

func (c *Conn) guardConn() *Conn { return c }

// ConnOf returns the connection of a request, nil where it is not known: over HTTP/3.
func ConnOf(ctx context.Context) *Conn {
	if k, ok := ctx.Value(connKey{}).(carrier); ok {
		return k.guardConn()
	}
	return nil
}

// Handler judges requests before next sees them. It belongs outermost.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, ok := r.Context().Value(connKey{}).(carrier)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		c := k.guardConn()
		c.judged(r.ProtoMajor == 2)
		h1, _ := k.(*netConn)
		if h1 != nil && r.ProtoMajor == 1 {
			h1.inHead.Store(false)
			h1.judged.Store(true)
			defer h1.inHead.Store(true)
		}
		if !c.Counts() {
			r, _, ok := judge(r)
			if ok {
				next.ServeHTTP(w, r)
				return
			}
			g.refused[refusedLarge].Add(1)
			refuse(w, r, http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		g.serve(w, r, c.Begin, next.ServeHTTP)
	})
}

// Serve counts a request whose connection is not counted, and hands it to next.
// ip is the client's address.
func (g *Guard) Serve(w http.ResponseWriter, r *http.Request, ip netip.Addr, next func(http.ResponseWriter, *http.Request)) {
	g.serve(w, r, func(head int64) (*Request, bool) { return g.BeginFor(ip, head) }, next)
}

func (g *Guard) serve(w http.ResponseWriter, r *http.Request, begin func(head int64) (*Request, bool), next func(http.ResponseWriter, *http.Request)) {
	status := http.StatusRequestHeaderFieldsTooLarge
	r, cost, ok := judge(r)
	if !ok {
		g.refused[refusedLarge].Add(1)
	} else {
		status = http.StatusServiceUnavailable
		var q *Request
		if q, ok = begin(cost); ok {
			g.pass(w, r, q, next)
			return
		}
	}
	if conn := ConnOf(r.Context()); conn.unwritten() > maxRefusals { // it does not read the refusals that there are
		_ = conn.close()
		panic(http.ErrAbortHandler)
	}
	refuse(w, r, status)
}

// maxRefusals is how many refusals may wait for a client of HTTP/2 to read.
const maxRefusals = 4

// pass hands a request on.
func (g *Guard) pass(w http.ResponseWriter, r *http.Request, q *Request, next func(http.ResponseWriter, *http.Request)) {
	defer q.End()
	x := &exchange{ResponseWriter: w, Context: r.Context(), request: q}
	defer func() {
		if x.hijacked { // the HTTP server says nothing of its end, and a proxy returns when it has ended
			q.conn.Closed()
		}
	}()
	next(x, r.WithContext(x))
	if q.Counts() && r.ProtoMajor > 1 && (x.wrote || q.conn.unwritten() > maxRefusals) {
		x.finish()
	}
}

// finish sends what is in the server's buffer while the request still counts. By
// itself, HTTP/2 does so after the handler has returned, and waits for the client without a limit.
func (x *exchange) finish() {
	c := http.NewResponseController(x.ResponseWriter)
	if c.SetWriteDeadline(time.Now().Add(stallTimeout)) == nil {
		_ = c.Flush()
	}
}

// exchange is a request's ResponseWriter and context. Until somebody is found to
// be signed in, a read or write has less time to make progress.
type exchange struct {
	http.ResponseWriter
	context.Context //nolint:containedctx // this is the request's context
	request         *Request
	wrote           bool // of a body
	hijacked        bool
}

// Value implements context.Context.
func (x *exchange) Value(key any) any {
	if key == (requestKey{}) {
		return x.request
	}
	return x.Context.Value(key)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	x.wrote = true
	return x.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ReadFrom implements io.ReaderFrom.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	x.wrote = true
	if rf, ok := x.ResponseWriter.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{x.ResponseWriter}, r)
}

// SetReadDeadline is for http.ResponseController.
func (x *exchange) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(x.ResponseWriter).SetReadDeadline(x.sooner(t))
}

// SetWriteDeadline is for http.ResponseController.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(x.ResponseWriter).SetWriteDeadline(x.sooner(t))
}

// sooner brings a deadline forward for a request without a session. None stays
// none: the server takes deadlines back between writes.
func (x *exchange) sooner(t time.Time) time.Time {
	if t.IsZero() || !x.request.Counts() {
		return t
	}
	if most := time.Now().Add(stallTimeout); t.After(most) {
		return most
	}
	return t
}

// Hijack is for http.ResponseController.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, b, err := http.NewResponseController(x.ResponseWriter).Hijack()
	x.hijacked = x.hijacked || err == nil
	return c, b, err
}
