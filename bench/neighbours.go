package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// rateLimit is how many requests a second an org may make on the limited port.
const rateLimit = 500

const (
	quietOrg  = "quiet"
	quietRate = rateLimit / 2
	hangers   = 500
	// floodHosts are more than are asked for in a round.
	floodHosts = 20_000
)

// neighbours is how long an org's requests take, 250 a second of them, while another org is saturated: 500 of its requests wait for
// an instance that does not answer, or it makes three times as many as its limit allows; or while somebody asks as often for hosts
// that no org has, each once. Alone and alone again is the noise; plain has no limit, and the same loads.
func (s *servers) neighbours(o options) (map[string]round, error) {
	for _, slug := range []string{"acme", quietOrg} {
		if err := s.enter(slug); err != nil {
			return nil, err
		}
	}
	s.orgCookie = s.cookieFor("acme")
	open := func(slug, cookie, path string, port, n int) (*pool, error) {
		return openPool(n, target{host: slug + "." + domain, port: port, cookie: cookie, tls: s.tls}, scenario{path: path, size: 1 << 10})
	}
	quiet, err := open(quietOrg, s.cookieFor(quietOrg), "/", s.limited, 16)
	if err != nil {
		return nil, err
	}
	defer quiet.close()
	quietPlain, err := open(quietOrg, "", "/", s.quiet2, 16)
	if err != nil {
		return nil, err
	}
	defer quietPlain.close()
	// crowd makes three times as many requests as the limit allows.
	crowd := func(connect func() (*pool, error)) func() (func() error, error) {
		return func() (func() error, error) {
			p, err := connect()
			if err != nil {
				return nil, err
			}
			done := make(chan error, 1)
			go func() {
				_, err := run(p, 64, o.round+time.Second, 3*rateLimit)
				done <- err
			}()
			return func() error { defer p.close(); return <-done }, nil
		}
	}
	acme := func(port int) func() (func() error, error) {
		return crowd(func() (*pool, error) {
			p, err := open("acme", s.orgCookie, "/", port, 64)
			if p != nil {
				p.status = append(p.status, http.StatusTooManyRequests)
			}
			return p, err
		})
	}
	floods := 0
	unknown := func(port int) func() (func() error, error) {
		return crowd(func() (*pool, error) {
			floods++
			p := &pool{dial: dialPlainly(port), size: 1 << 10, status: []int{http.StatusOK, http.StatusNotFound}}
			for i := range floodHosts {
				p.requests = append(p.requests, target{host: fmt.Sprintf("flood-%d-%d.%s", floods, i, domain), port: port}.get("/"))
			}
			return p, p.open(64)
		})
	}
	all := map[string][]round{}
	for range o.rounds {
		for name, disturb := range map[string]func() (stop func() error, err error){
			"alone": nil, "alone again": nil,
			"another org's instance hangs": func() (func() error, error) {
				p, err := open("acme", s.orgCookie, "/hang", s.port, hangers)
				if err != nil {
					return nil, err
				}
				for _, c := range p.conns {
					if _, err := c.Write(p.requests[0]); err != nil {
						return nil, err
					}
				}
				return func() error { p.close(); return nil }, nil
			},
			"another org is over its limit": acme(s.limited),
			"plain alone":                   nil,
			"plain, as many requests":       acme(s.port2),
			"somebody floods unknown hosts": unknown(s.http),
			"plain, a flood of hosts":       unknown(s.http2),
		} {
			stop := func() error { return nil }
			if disturb != nil {
				if stop, err = disturb(); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				time.Sleep(500 * time.Millisecond) // until the neighbour is busy
			}
			p := quiet
			if strings.HasPrefix(name, "plain") {
				p = quietPlain
			}
			r, err := run(p, 16, o.round, quietRate)
			if err2 := stop(); err == nil {
				err = err2
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all[name] = append(all[name], r)
		}
	}
	out := map[string]round{}
	for name, rounds := range all {
		out[name] = medians(rounds)
	}
	return out, nil
}
