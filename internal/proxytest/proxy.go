package proxytest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a network between a server and those who connect to it, on a port of the loopback
// interface. It ends with its test.
type Proxy struct {
	t      testing.TB
	server string // path of its socket
	port   int
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[*proxied]bool
	state    proxyState
	late     time.Duration // by which each part of what is sent arrives
	changed  chan struct{} // closed when the state changes
}

type proxyState int

const (
	forwarding proxyState = iota
	stalled
	parted
)

// proxied is a connection and the server's end of it.
type proxied struct {
	client *net.TCPConn
	server net.Conn
}

// New returns a proxy that forwards to a server's socket.
func New(t testing.TB, socket string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, server: socket, conns: map[*proxied]bool{}, changed: make(chan struct{})}
	p.listen("127.0.0.1:0")
	p.port = p.listener.Addr().(*net.TCPAddr).Port
	t.Cleanup(func() {
		p.Refuse()
		p.wg.Wait()
	})
	return p
}

// Port is the proxy's port on 127.0.0.1.
func (p *Proxy) Port() int { return p.port }

// Forward ends what Stall, Part or Refuse began. Connections that were parted are cut.
func (p *Proxy) Forward() {
	p.t.Helper()
	p.mu.Lock()
	away, state := p.listener == nil, p.state
	p.mu.Unlock()
	if state == parted {
		p.Cut()
	}
	p.become(forwarding)
	if away {
		p.listen((&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port}).String())
	}
}

// Stall holds what is sent, in both directions, until Forward.
func (p *Proxy) Stall() { p.become(stalled) }

// Part loses what is sent, in both directions, and says so to nobody.
func (p *Proxy) Part() { p.become(parted) }

// Delay makes what is sent arrive later, in each direction. Parts of it wait for each other, as on a
// line of little bandwidth. 0 ends it.
func (p *Proxy) Delay(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = by
}

// Cut resets all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Refuse resets all connections, and takes no others until Forward.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	p.become(forwarding)
	p.Cut()
}

func (p *Proxy) become(s proxyState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) listen(address string) {
	p.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(l, c.(*net.TCPConn)) })
		}
	})
}

func (p *Proxy) serve(from net.Listener, client *net.TCPConn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	c := &proxied{client, server}
	p.mu.Lock()
	p.conns[c] = true
	if p.listener != from { // refused meanwhile
		c.cut()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(client, server); c.cut() })
	both.Go(func() { p.copy(server, client); c.cut() })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// copy forwards one direction until it ends.
func (p *Proxy) copy(to, from net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if !p.deliver(to, b[:n]) || err != nil {
			return
		}
	}
}

// deliver reports whether more may follow.
func (p *Proxy) deliver(to net.Conn, b []byte) bool {
	p.mu.Lock()
	late := p.late
	p.mu.Unlock()
	if late > 0 && len(b) > 0 {
		<-time.After(late)
	}
	for {
		p.mu.Lock()
		state, changed := p.state, p.changed
		p.mu.Unlock()
		switch state {
		case parted:
			return true
		case forwarding:
			_, err := to.Write(b)
			return err == nil
		}
		<-changed
	}
}

// cut resets the client's end.
func (c *proxied) cut() {
	_ = c.client.SetLinger(0)
	_ = c.client.Close()
	_ = c.server.Close()
}
