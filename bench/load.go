package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
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

// pool is a set of open connections to one server, and the request to send on them.
type pool struct {
	dial    func() (*tls.Conn, error)
	fresh   bool  // a new connection for each request
	size    int64 // bytes of an answer
	conns   []*tls.Conn
	readers []*bufio.Reader
	request []byte
}

func openPool(n, port int, host string, c *tls.Config, sc scenario, request string) (*pool, error) {
	p := &pool{request: []byte(request), fresh: sc.fresh, size: sc.size, dial: func() (*tls.Conn, error) {
		return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: c.RootCAs, ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	}}
	for range n {
		conn, err := p.dial()
		if err != nil {
			p.close()
			return nil, err
		}
		p.conns = append(p.conns, conn)
		p.readers = append(p.readers, bufio.NewReader(conn))
	}
	return p, nil
}

func (p *pool) close() {
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// run loads all connections for d, each with one request at a time: as fast as
// it goes, or with a rate of requests a second over all connections. A late
// request counts from when it was due.
func (p *pool) run(d time.Duration, rate float64) (round, error) {
	every := time.Duration(0)
	if rate > 0 {
		every = time.Duration(float64(len(p.conns)) / rate * float64(time.Second))
	}
	var wg sync.WaitGroup
	times := make([][]time.Duration, len(p.conns))
	errs := make([]error, len(p.conns))
	began := time.Now()
	end := began.Add(d)
	for i := range p.conns {
		wg.Go(func() {
			t := began.Add(every * time.Duration(i) / time.Duration(len(p.conns)))
			for t.Before(end) {
				time.Sleep(time.Until(t))
				if err := p.once(i); err != nil {
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
	if _, err := p.conns[i].Write(p.request); err != nil {
		return err
	}
	res, err := http.ReadResponse(p.readers[i], nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && (res.StatusCode != http.StatusOK || n != p.size) {
		err = fmt.Errorf("an answer of %d with %d bytes", res.StatusCode, n)
	}
	return err
}
