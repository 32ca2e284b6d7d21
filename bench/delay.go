package main

import (
	"net"
	"sync"
	"time"
)

// delay is a network between its address and a server: what is sent arrives later, in both directions.
type delay struct {
	listener net.Listener
	to       string
	by       time.Duration // one way
}

// startDelay makes one on a free port of the loopback interface.
func startDelay(to string, by time.Duration) (*delay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delay{listener: l, to: to, by: by}
	go d.serve()
	return d, nil
}

func (d *delay) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

func (d *delay) stop() { _ = d.listener.Close() }

func (d *delay) serve() {
	for {
		from, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.join(from)
	}
}

func (d *delay) join(from net.Conn) {
	defer func() { _ = from.Close() }()
	to, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() { d.pass(to, from) })
	wg.Go(func() { d.pass(from, to) })
	wg.Wait()
}

// pass sends on what comes, each part when it is due, and ends both when one ends.
func (d *delay) pass(to, from net.Conn) {
	type part struct {
		b   []byte
		due time.Time
	}
	parts := make(chan part, 1024)
	go func() {
		defer close(parts)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				parts <- part{b[:n], time.Now().Add(d.by)}
			}
			if err != nil {
				return
			}
		}
	}()
	var failed error
	for p := range parts {
		if failed != nil {
			continue
		}
		nap(time.Until(p.due))
		if _, failed = to.Write(p.b); failed != nil {
			_ = from.Close() // ends the reader
		}
	}
	if c, ok := to.(*net.TCPConn); ok && failed == nil {
		_ = c.CloseWrite()
	}
}
