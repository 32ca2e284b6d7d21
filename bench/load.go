package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// round is what one server did in one round.
type round struct {
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	// CPU is what the server under load used of its cores for one request: the
	// steadiest of the figures, since what runs beside it does not count.
	CPU time.Duration `json:"cpu_ns"`

	took time.Duration
}

// sender sends one request on one of its connections, and checks the answer.
type sender interface {
	once(i int) error
	close()
}

// run loads n connections for d, each with one request at a time: as fast as
// it goes, or with a rate of requests a second over all connections. A late
// request counts from when it was due.
func run(s sender, n int, d time.Duration, rate float64) (round, error) {
	every := time.Duration(0)
	if rate > 0 {
		every = time.Duration(float64(n) / rate * float64(time.Second))
	}
	var wg sync.WaitGroup
	times := make([][]time.Duration, n)
	errs := make([]error, n)
	began := time.Now()
	end := began.Add(d)
	for i := range n {
		wg.Go(func() {
			t := began.Add(every * time.Duration(i) / time.Duration(n))
			for t.Before(end) {
				time.Sleep(time.Until(t)) // the rate is the point
				if err := s.once(i); err != nil {
					errs[i] = err
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(t))
				if t = t.Add(every); every == 0 {
					t = now
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return round{}, err
		}
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return round{PerSecond: float64(len(all)) / took.Seconds(), P50: all[len(all)/2], P99: all[len(all)*99/100], took: took}, nil
}

// target is whom a sender asks, and as whom.
type target struct {
	host   string
	port   int
	cookie string // of the org session
	tls    *tls.Config
}

func (t target) config(protocol string) *tls.Config {
	return &tls.Config{RootCAs: t.tls.RootCAs, ServerName: t.host, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12}
}

// open makes n connections as a scenario wants them.
func (t target) open(n int, sc scenario) (sender, error) {
	switch sc.over {
	case overHTTP2:
		return newH2(n, t, sc)
	case overWebSocket:
		return openSockets(n, t)
	}
	return openPool(n, t, sc)
}

// pool is a set of open HTTP/1.1 connections, and the requests to send on them in turn.
type pool struct {
	dial     func() (net.Conn, error)
	fresh    bool  // a new connection for each request
	size     int64 // bytes of an answer
	status   []int // that an answer may have
	conns    []net.Conn
	readers  []*bufio.Reader
	requests [][]byte
	next     []int // of each connection
}

func openPool(n int, t target, sc scenario) (*pool, error) {
	dial := func() (net.Conn, error) {
		return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", t.port), t.config("http/1.1"))
	}
	p := &pool{dial: dial, fresh: sc.fresh, size: sc.size, status: []int{http.StatusOK}, requests: [][]byte{t.get(sc.path)}}
	return p, p.open(n)
}

// get is a request of the org's own page.
func (t target) get(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nCookie: %s=%s\r\nSec-Fetch-Site: same-origin\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n", path, t.host, t.port, orgCookie, t.cookie)
}

func (p *pool) open(n int) error {
	for i := range n {
		conn, err := p.dial()
		if err != nil {
			p.close()
			return err
		}
		p.conns = append(p.conns, conn)
		p.readers = append(p.readers, bufio.NewReader(conn))
		p.next = append(p.next, i*7919)
	}
	return nil
}

func (p *pool) close() {
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *pool) once(i int) error {
	if p.fresh {
		_ = p.conns[i].Close()
		conn, err := p.dial()
		if err != nil {
			return err
		}
		p.conns[i] = conn
		p.readers[i].Reset(conn)
	}
	request := p.requests[p.next[i]%len(p.requests)]
	p.next[i]++
	if _, err := p.conns[i].Write(request); err != nil {
		return err
	}
	res, err := http.ReadResponse(p.readers[i], nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && (!slices.Contains(p.status, res.StatusCode) || res.StatusCode == http.StatusOK && n != p.size) {
		err = fmt.Errorf("an answer of %d with %d bytes", res.StatusCode, n)
	}
	return err
}

// h2 is a set of HTTP/2 connections.
type h2 struct {
	clients []*http.Client
	request *http.Request
	size    int64
}

func newH2(n int, t target, sc scenario) (*h2, error) {
	req, err := http.NewRequest("GET", fmt.Sprintf("https://%s:%d%s", t.host, t.port, sc.path), nil)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Cookie": {orgCookie + "=" + t.cookie}, "Sec-Fetch-Site": {"same-origin"}, "Accept-Encoding": {"identity"}}
	h := &h2{request: req, size: sc.size}
	for range n {
		h.clients = append(h.clients, &http.Client{Transport: &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: t.config("h2"), MaxConnsPerHost: 1,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", t.port))
			},
		}})
	}
	return h, h.once(0)
}

func (h *h2) once(i int) error {
	res, err := h.clients[i].Do(h.request.Clone(context.Background()))
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && (res.StatusCode != http.StatusOK || n != h.size || res.ProtoMajor != 2) {
		err = fmt.Errorf("an answer of %d with %d bytes over %s", res.StatusCode, n, res.Proto)
	}
	return err
}

func (h *h2) close() {
	for _, c := range h.clients {
		c.CloseIdleConnections()
	}
}
