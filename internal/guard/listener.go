package guard

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

const (
	// freeHead is what a connection may send towards a request head without a
	// share of the memory: enough for most TLS handshakes, and a small head.
	freeHead = 2500
	// http1Cost is what a byte of an HTTP/1 head may come to in memory, in the
	// worst case of many short headers.
	http1Cost = 16
)

var errRefused = errors.New("too many connections from this address")

// Listener counts the connections of another one, and charges for HTTP/1 heads
// before the server parses them. It belongs below TLS, and above the PROXY protocol.
func (g *Guard) Listener(l net.Listener) net.Listener { return &listener{Listener: l, g: g} }

type listener struct {
	net.Listener
	g *Guard
}

// Accept implements net.Listener. Connections over the limit are closed here.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		n := &netConn{Conn: c, g: l.g}
		n.inHead.Store(true)
		if !direct(c) { // its address may come in its first bytes: that is for its own goroutine
			return n, nil
		}
		if n.connect() == nil {
			return n, nil
		}
		_ = c.Close()
	}
}

// direct reports whether a connection knows its peer's address without a read.
func direct(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// netConn is a connection below TLS.
type netConn struct {
	net.Conn
	g      *Guard
	once   sync.Once
	conn   atomic.Pointer[Conn]
	err    error
	closed atomic.Bool
	inHead atomic.Bool // what is read belongs to a handshake or a request head of HTTP/1
	judged atomic.Bool // the head so far has become a request
	bytes  int64       // of the head so far; for the one goroutine that reads
}

func (n *netConn) connect() error {
	n.once.Do(func() {
		c, ok := n.g.Connect(addressOf(n.Conn), n.Conn.Close)
		if !ok {
			n.err = errRefused
			return
		}
		n.conn.Store(c)
		if n.closed.Load() {
			c.Closed()
		}
	})
	return n.err
}

func (n *netConn) guardConn() *Conn { return n.conn.Load() }

// Read implements net.Conn.
func (n *netConn) Read(p []byte) (int, error) {
	if n.conn.Load() == nil {
		if err := n.connect(); err != nil {
			return 0, err
		}
	}
	read, err := n.Conn.Read(p)
	if c := n.conn.Load(); read > 0 && c.Counts() {
		if n.judged.Swap(false) {
			n.bytes = 0
		}
		if !n.inHead.Load() {
			return read, err
		}
		before := max(n.bytes, freeHead)
		n.bytes += int64(read)
		if err := c.takeHead((n.bytes - before) * http1Cost); err != nil {
			return 0, err
		}
	}
	return read, err
}

// Close implements net.Conn.
func (n *netConn) Close() error {
	n.closed.Store(true)
	n.conn.Load().Closed()
	return n.Conn.Close()
}

// CloseWrite lets the server end its side first.
func (n *netConn) CloseWrite() error {
	if c, ok := n.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadFrom lets files and other connections be sent without a copy.
func (n *netConn) ReadFrom(r io.Reader) (int64, error) {
	if rf, ok := n.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{n.Conn}, r)
}

func addressOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(a.IP)
		return ip
	}
	p, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return p.Addr()
}
