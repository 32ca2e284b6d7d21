package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// signIns is what signing in costs, one at a time, and what becomes of many at once.
type signIns struct {
	Hash  quantiles `json:"argon2id"`
	One   quantiles `json:"one_at_a_time"` // the whole request
	Crowd int       `json:"at_once"`
	// Answers are how many got each status: 303 in, 429 over a limit, 503 beyond the queue.
	Answers map[int]int `json:"answers"`
	Took    float64     `json:"took_s"`
	// Memory is by how much the peak of resident memory rose.
	Memory int64 `json:"memory_bytes"`
	// Beside is an org's load while they sign in, and alone.
	Alone  round `json:"org_alone"`
	Beside round `json:"org_beside"`
}

// crowd is how many people sign in at once, each from an address of their own.
const crowd = 500

// from is a client whose connections come from a loopback address.
func (s *servers) from(i int) *http.Client {
	c := s.newClient(nil)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Timeout = 2 * time.Minute
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}}
		return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.port))
	}
	return c
}

// signInAs gives an account's password and returns the status.
func (s *servers) signInAs(c *http.Client, i int) (int, error) {
	h := s.own()
	h["Content-Type"] = "application/x-www-form-urlencoded"
	code, _, err := s.do(c, "POST", s.url("")+"/sign-in", url.Values{"email": {fmt.Sprintf("crowd-%d@example.com", i)}, "password": {password}}.Encode(), h)
	return code, err
}

func (s *servers) signIns(o options) (out signIns, err error) {
	// Everybody has the same password, and so may have the same hash.
	if err := fill(filepath.Join(s.dir, "ours/data/pizzeria.db"), crowd+50, map[string]string{"{now}": fmt.Sprint(time.Now().UnixMicro())},
		`INSERT INTO users (id, email, name, password_hash, created_at) SELECT printf('01890000-0005-7000-8000-%012x', i), printf('crowd-%d@example.com', i), 'Somebody', (SELECT password_hash FROM users WHERE email = '`+email+`'), {now} FROM n`,
	); err != nil {
		return out, err
	}
	var hashes, ones []time.Duration
	for i := range 50 {
		began := time.Now()
		argon2.IDKey([]byte(password), make([]byte, 16), 2, 19<<10, 1, 32) // as the server's
		hashes = append(hashes, time.Since(began))
		c := s.from(i)
		if _, _, err := s.do(c, "GET", s.url("")+"/healthz", "", nil); err != nil { // the connection is not the sign-in's
			return out, err
		}
		began = time.Now()
		code, err := s.signInAs(c, crowd+i)
		if err != nil || code != http.StatusSeeOther {
			return out, fmt.Errorf("sign-in: %d %w", code, err)
		}
		ones = append(ones, time.Since(began))
		c.CloseIdleConnections()
		time.Sleep(50 * time.Millisecond) // within the limits
	}
	out.Hash, out.One, out.Crowd = quantilesOf(hashes), quantilesOf(ones), crowd

	if err := s.enter("acme"); err != nil {
		return out, err
	}
	org, err := openPool(16, target{host: "acme." + domain, port: s.port, cookie: s.cookieFor("acme"), tls: s.tls}, scenario{path: "/", size: 1 << 10})
	if err != nil {
		return out, err
	}
	defer org.close()
	if out.Alone, err = run(org, 16, o.round, quietRate); err != nil {
		return out, err
	}
	people := make([]*http.Client, crowd) // who are connected: their handshakes would be measured with the load's
	for i := range people {
		people[i] = s.from(i)
		if _, _, err := s.do(people[i], "GET", s.url("")+"/healthz", "", nil); err != nil {
			return out, err
		}
		defer people[i].CloseIdleConnections()
	}
	before, err := s.peak()
	if err != nil {
		return out, err
	}
	beside := make(chan error, 1)
	go func() {
		var err error
		out.Beside, err = run(org, 16, o.round, quietRate)
		beside <- err
	}()
	out.Answers = map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed []error
	began := time.Now()
	for i := range crowd {
		wg.Go(func() {
			code, err := s.signInAs(people[i], i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
			}
			out.Answers[code]++
		})
	}
	wg.Wait()
	out.Took = time.Since(began).Seconds()
	if err := errors.Join(<-beside, errors.Join(failed...)); err != nil {
		return out, err
	}
	after, err := s.peak()
	out.Memory = after - before
	return out, err
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB`)

// peak is the most resident memory that the server had so far, in bytes.
func (s *servers) peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.ours.Process.Pid))
	if err != nil {
		return 0, err
	}
	m := peakLine.FindSubmatch(b)
	if m == nil {
		return 0, errors.New("there is no VmHWM")
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10, err
}
