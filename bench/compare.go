package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scenario is what is asked for.
type scenario struct {
	name  string
	path  string
	size  int64 // bytes of an answer
	fresh bool  // each request over a new connection, with a whole TLS handshake
}

// scenarios are what is compared, the usual one first.
var scenarios = []scenario{
	{"1 KiB", "/", 1 << 10, false},
	{"16 KiB", "/16384", 16 << 10, false},
	{"1 MiB", "/1048576", 1 << 20, false},
	{"1 KiB, new connections", "/", 1 << 10, true},
}

// compare lets the servers take turns.
func (s *servers) compare(o options, sc scenario) (map[string]round, error) {
	host := "acme." + domain
	targets := []struct {
		name string
		port int
		cmd  *exec.Cmd
	}{{ours, s.port, s.ours}, {plain, s.port2, s.plain}, {tuned, s.tuned2, s.plain}, {again, s.port2, s.plain}}
	pools := map[string]*pool{}
	for _, t := range targets {
		request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s:%d\r\nCookie: __Host-pizzeria-org=%s\r\nSec-Fetch-Site: same-origin\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n", sc.path, host, t.port, s.orgCookie)
		var p *pool
		var err error
		for range 40 { // the plain server may be starting yet
			if p, err = openPool(o.connections, t.port, host, s.tls, sc, request); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		defer p.close()
		if _, err := p.run(o.round/2, o.rate); err != nil { // warm
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		pools[t.name] = p
	}
	all := map[string][]round{}
	for i := range o.rounds {
		for j := range targets {
			t := targets[(i+j)%len(targets)] // nobody is always first
			profiled := s.profile(o, t.name, i)
			used := cpuTime(t.cmd.Process.Pid)
			r, err := pools[t.name].run(o.round, o.rate)
			r.CPU = time.Duration(float64(cpuTime(t.cmd.Process.Pid)-used) / (r.PerSecond * r.took.Seconds()))
			profiled()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			all[t.name] = append(all[t.name], r)
		}
	}
	out := map[string]round{}
	for name, rounds := range all {
		out[name] = round{
			PerSecond: median(rounds, func(r round) float64 { return r.PerSecond }),
			P50:       time.Duration(median(rounds, func(r round) float64 { return float64(r.P50) })),
			P99:       time.Duration(median(rounds, func(r round) float64 { return float64(r.P99) })),
			CPU:       time.Duration(median(rounds, func(r round) float64 { return float64(r.CPU) })),
		}
	}
	return out, nil
}

// cpuTime is how long a process has computed, user and system (proc_pid_stat(5), fields 14 and 15, in hundredths of a second).
func cpuTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), ") ") // the name may hold spaces
	f := strings.Fields(after)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func median(rounds []round, of func(round) float64) float64 {
	v := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		v = append(v, of(r))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// profile takes a CPU profile of the gateway in its first round, when asked to.
func (s *servers) profile(o options, name string, i int) (wait func()) {
	if o.profile == "" || name != ours || i != 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(s.dir, "ours/data/admin.sock"))
		}}}
		res, err := c.Get(fmt.Sprintf("http://localhost/debug/pprof/profile?seconds=%d", max(1, int(o.round/time.Second))))
		if err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
			return
		}
		defer func() { _ = res.Body.Close() }()
		if b, err := io.ReadAll(res.Body); err == nil {
			_ = os.WriteFile(o.profile, b, 0o600)
		}
	}()
	return func() { <-done }
}
