package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/process"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	instancesOneByOne = 40
	instancesAtOnce   = 100
	quietTime         = 5 * time.Second
	quietPause        = 4 * time.Millisecond
)

// instanceApp is an app that does nothing but answer at its socket.
func instanceApp() error {
	l, err := net.Listen("unix", strings.TrimPrefix(os.Getenv("PIZZERIA_LISTEN"), "unix:"))
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
}

// instanceCost prints what the process provider costs with isolation and without: from the call that
// starts an instance to its first byte, one by one and all at once; the memory that stands beside an
// app; and what a greedy org does to another.
func instanceCost() error {
	dir, err := os.MkdirTemp("/tmp", "pzb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	agent := filepath.Join(dir, "agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", agent, "./cmd/agent")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, isolation := range []process.Isolation{process.IsolationOff, process.IsolationOn} {
		b, err := newInstanceBench(dir, agent, isolation)
		if err == nil {
			err = errors.Join(b.start(), b.stop())
		}
		if err == nil {
			err = errors.Join(b.greedy(), b.stop())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type instanceBench struct {
	process.Config
	provision.Provider
	id   registry.InstallationID
	orgs []registry.OrgID
}

func newInstanceBench(dir, agent string, isolation process.Isolation) (*instanceBench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := process.Config{
		Dir: filepath.Join(dir, string(isolation)), Command: []string{self, "instance"}, Shim: []string{agent, "shim"},
		Sandbox: sandbox.Helper{agent, "sandbox"}, Isolation: isolation, Grace: 5 * time.Second,
	}
	p, err := process.New(c)
	if err != nil {
		return nil, err
	}
	id := registry.InstallationID(registry.NewID())
	return &instanceBench{Config: c, Provider: p.For(id), id: id}, nil
}

// create starts the instance of a new org, and returns how long it took to its first byte.
func (b *instanceBench) create(env map[string]string, l registry.Limits) (registry.OrgID, time.Duration, error) {
	org := registry.OrgID(registry.NewID())
	began := time.Now()
	o, err := b.Ensure(context.Background(), provision.Spec{
		Ref: provision.Ref{OrgID: org, Generation: 1}, Slug: "bench", Env: env, Limits: l,
	})
	if err != nil {
		return org, 0, err
	}
	c := client(o.Address)
	defer c.CloseIdleConnections()
	for time.Since(began) < time.Minute {
		if res, err := c.Get("http://instance/"); err == nil {
			return org, time.Since(began), res.Body.Close()
		}
		time.Sleep(time.Millisecond)
	}
	return org, 0, errors.New("it does not answer")
}

func client(address string) *http.Client {
	network, path := provision.SplitAddress(address)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, path)
	}}}
}

// alone is how long an app takes to listen without anything of ours, n times.
func alone(dir string, n int, name string, args ...string) ([]time.Duration, error) {
	var took []time.Duration
	for i := range n {
		socket := filepath.Join(dir, fmt.Sprintf("alone-%d.sock", i))
		cmd := exec.Command(name, args...)
		cmd.Env = []string{"PIZZERIA_LISTEN=unix:" + socket}
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		for {
			if c, err := net.Dial("unix", socket); err == nil {
				_ = c.Close()
				break
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(began))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.Remove(socket)
	}
	return took, nil
}

func (b *instanceBench) start() error {
	app, err := alone(filepath.Dir(b.Dir), instancesOneByOne, b.Command[0], b.Command[1:]...)
	if err != nil {
		return err
	}
	var one []time.Duration
	for range instancesOneByOne {
		org, took, err := b.create(nil, nil)
		if err != nil {
			return err
		}
		b.orgs, one = append(b.orgs, org), append(one, took)
	}
	if err := b.stop(); err != nil {
		return err
	}
	all := make([]time.Duration, instancesAtOnce)
	orgs := make([]registry.OrgID, instancesAtOnce)
	failed := make([]error, instancesAtOnce)
	began := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8) // as the reconciler has workers
	for i := range all {
		wg.Go(func() {
			slots <- struct{}{}
			orgs[i], _, failed[i] = b.create(nil, nil)
			all[i] = time.Since(began)
			<-slots
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	b.orgs = orgs
	fmt.Printf("isolation %s: first byte after p50 %s, p95 %s (the app alone %s, %s); %d at once: the last after %s\n",
		b.Config.Isolation, part(one, 50), part(one, 95), part(app, 50), part(app, 95), instancesAtOnce, part(all, 100))
	return b.memory()
}

func part(all []time.Duration, percent int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*percent/100)].Round(100 * time.Microsecond)
}

// memory prints what stands beside the apps.
func (b *instanceBench) memory() error {
	out, err := exec.Command("pgrep", "-f", "^"+b.Shim[0]+" shim").Output()
	if err != nil {
		return err
	}
	var sizes []int
	for line := range strings.Lines(string(out)) {
		var pid int
		if _, err := fmt.Sscan(line, &pid); err != nil {
			return err
		}
		n, err := pss(pid)
		if err != nil {
			return err
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	fmt.Printf("isolation %s: beside an app median %d KiB, most %d KiB (PSS of %d)\n",
		b.Config.Isolation, sizes[len(sizes)/2], sizes[len(sizes)-1], len(sizes))
	return nil
}

// greedy prints the latency of an org's requests alone, and while another org takes what it can.
func (b *instanceBench) greedy() error {
	org, _, err := b.create(nil, nil)
	if err != nil {
		return err
	}
	b.orgs = append(b.orgs, org)
	o, err := b.Observe(context.Background(), provision.Ref{OrgID: org, Generation: 1})
	if err != nil {
		return err
	}
	c := client(o.Address)
	measure := func() (time.Duration, time.Duration, error) {
		var took []time.Duration
		for end := time.Now().Add(quietTime); time.Now().Before(end); time.Sleep(quietPause) {
			began := time.Now()
			res, err := c.Get("http://instance/")
			if err != nil {
				return 0, 0, err
			}
			_ = res.Body.Close()
			took = append(took, time.Since(began))
		}
		return part(took, 50), part(took, 99), nil
	}
	fifty, most, err := measure()
	if err != nil {
		return err
	}
	again50, again, err := measure()
	if err != nil {
		return err
	}
	c2 := b.Config
	c2.Command = []string{"/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; exec sleep 1000"}
	p, err := process.New(c2)
	if err != nil {
		return err
	}
	greedy := registry.OrgID(registry.NewID())
	b.orgs = append(b.orgs, greedy)
	if _, err := p.For(b.id).Ensure(context.Background(), provision.Spec{
		Ref:    provision.Ref{OrgID: greedy, Generation: 1},
		Limits: registry.Limits{registry.LimitCPU: 1, registry.LimitPIDs: 100, registry.LimitMemory: 256 << 20},
	}); err != nil {
		return err
	}
	with50, with, err := measure()
	if err != nil {
		return err
	}
	fmt.Printf("isolation %s: a request p50 %s, p99 %s; again %s, %s; beside 8 busy loops of an org with 1 core %s, %s (p99 %.2f of alone, again %.2f)\n",
		b.Config.Isolation, fifty, most, again50, again, with50, with, float64(with)/float64(most), float64(again)/float64(most))
	return nil
}

func (b *instanceBench) stop() error {
	var errs []error
	for _, org := range b.orgs {
		errs = append(errs, b.Stop(context.Background(), org, 1))
	}
	b.orgs = nil
	return errors.Join(errs...)
}
