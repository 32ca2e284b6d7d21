package egress

import (
	"net"
	"sync"
)

// maxConnections are open at once. A proxy works for one instance, whose limits do not count what
// the proxy uses for it.
const maxConnections = 512

// boundedListener closes connections beyond those that there are places for.
type boundedListener struct {
	*net.UnixListener
	places chan struct{}
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		select {
		case l.places <- struct{}{}:
			return &placed{c, sync.OnceFunc(func() { <-l.places })}, nil
		default:
			_ = c.Close()
		}
	}
}

// placed is a connection that has a place until it is closed.
type placed struct {
	*net.UnixConn
	leave func()
}

// Close implements net.Conn.
func (c *placed) Close() error {
	defer c.leave()
	return c.UnixConn.Close()
}
