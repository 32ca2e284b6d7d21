package main

import (
	"fmt"
	"os"
	"os/exec"
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
	over  protocol
	fresh bool // each request over a new connection, with a whole TLS handshake
}

type protocol int

const (
	overHTTP1 protocol = iota
	overHTTP2
	overWebSocket
)

const orgCookie = "__Host-pizzeria-org"

// scenarios are what is compared, the usual one first.
var scenarios = []scenario{
	{name: "1 KiB", path: "/", size: 1 << 10},
	{name: "16 KiB", path: "/16384", size: 16 << 10},
	{name: "1 MiB", path: "/1048576", size: 1 << 20},
	{name: "1 KiB, new connections", path: "/", size: 1 << 10, fresh: true},
	{name: "1 KiB, HTTP/2", path: "/", size: 1 << 10, over: overHTTP2},
	{name: "WebSocket echo, 64 bytes", over: overWebSocket},
}

// compared is one of the servers.
type compared struct {
	name string
	port int
	cmd  *exec.Cmd
}

func (s *servers) compared() []compared {
	return []compared{{ours, s.port, s.ours}, {plain, s.port2, s.plain}, {tuned, s.tuned2, s.plain}, {again, s.port2, s.plain}}
}

func (s *servers) target(port int) target {
	return target{host: "acme." + domain, port: port, cookie: s.orgCookie, tls: s.tls}
}

// scenarios compares all but the usual one.
func (s *servers) scenarios(o options, r *results) (err error) {
	r.Others = map[string]map[string]round{}
	for _, sc := range scenarios[1:] {
		if r.Others[sc.name], err = s.compare(o, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	return nil
}

// compare lets the servers take turns.
func (s *servers) compare(o options, sc scenario) (map[string]round, error) {
	if err := s.enter("acme"); err != nil {
		return nil, err
	}
	s.orgCookie = s.cookieFor("acme")
	targets := s.compared()
	senders := map[string]sender{}
	for _, t := range targets {
		p, err := s.target(t.port).open(o.connections, sc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		defer p.close()
		if _, err := run(p, o.connections, o.round/2, o.rate); err != nil { // warm
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		senders[t.name] = p
	}
	all := map[string][]round{}
	for i := range o.rounds {
		for j := range targets {
			t := targets[(i+j)%len(targets)] // nobody is always first
			profiled := s.profile(o, t.name, i)
			used := cpuTime(t.cmd.Process.Pid)
			r, err := run(senders[t.name], o.connections, o.round, o.rate)
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
		out[name] = medians(rounds)
	}
	return out, nil
}

func medians(rounds []round) round {
	return round{
		PerSecond: median(rounds, func(r round) float64 { return r.PerSecond }),
		P50:       time.Duration(median(rounds, func(r round) float64 { return float64(r.P50) })),
		P99:       time.Duration(median(rounds, func(r round) float64 { return float64(r.P99) })),
		CPU:       time.Duration(median(rounds, func(r round) float64 { return float64(r.CPU) })),
	}
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
		b, err := s.admin("ours/data/admin.sock", fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(o.round/time.Second))))
		if err == nil {
			err = os.WriteFile(o.profile, b, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
		}
	}()
	return func() { <-done }
}
