//go:build linux

package docker

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/providertest"
	"github.com/pizzaface/pizzeria/registry"
)

// fixture is a provider on an engine, and an org.
type fixture struct {
	*testing.T
	e   *dockertest.Engine
	p   *Provider
	org registry.OrgID
}

// config is that of a provider on an engine, with a data directory of its own.
func config(t *testing.T, e *dockertest.Engine) Config {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return Config{
		Dir: dir, Host: e.Host, Image: e.Import(t), Agent: []string{dockertest.Program(t, "cmd/agent")},
		Grace: time.Second, Pull: PullNever,
	}
}

func open(t *testing.T, c Config) *Provider {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newFixture(t *testing.T, e *dockertest.Engine, change ...func(*Config)) *fixture {
	t.Helper()
	c := config(t, e)
	for _, f := range change {
		f(&c)
	}
	p, _ := open(t, c).For(registry.InstallationID(registry.NewID())).(*Provider)
	return (&fixture{t, e, p, ""}).another(t)
}

// another is another org of the same provider. It ends with a test.
func (f *fixture) another(t *testing.T) *fixture {
	o := &fixture{t, f.e, f.p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = f.p.Stop(context.Background(), o.org, 1<<40) })
	return o
}

// eachMapping runs a test as an org's user of the machine, as a mapped one, and as root of those.
func eachMapping(t *testing.T, run func(f *fixture)) {
	for name, row := range map[string]struct{ remap, root bool }{
		"plain": {}, "remap": {true, false}, "root": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newFixture(t, dockertest.Shared(t, row.remap), func(c *Config) { c.Root = row.root }))
		})
	}
}

func (f *fixture) ref(generation int64) provision.Ref {
	return provision.Ref{OrgID: f.org, Generation: generation}
}

func (f *fixture) ensure(generation int64) provision.Observed {
	f.Helper()
	o, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(generation), Slug: "acme"})
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// boot is ensure, and returns what the instance says of itself once it answers.
func (f *fixture) boot(generation int64) (b providertest.Boot) {
	f.Helper()
	o := f.ensure(generation)
	f.eventually("it answers", func() (answers bool) {
		b, answers = f.booted(f.Context(), o.Address)
		return answers
	})
	return b
}

func (f *fixture) booted(ctx context.Context, address string) (b providertest.Boot, answers bool) {
	body, err := get(ctx, address, "/boot")
	return b, err == nil && json.Unmarshal(body, &b) == nil
}

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// eventually waits until something happens in another process.
func (f *fixture) eventually(what string, is func() bool) {
	f.Helper()
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond) // other processes take their time
	}
	f.Fatalf("it never happened that %s", what)
}

// inside runs a command of the test box in the container of a generation, as the org's user.
func (f *fixture) inside(generation int64, args ...string) (out string, code int) {
	f.Helper()
	exec, err := f.e.Client.ExecCreate(f.Context(), f.p.containerName(f.ref(generation)), client.ExecCreateOptions{
		Cmd: append([]string{"/box"}, args...), AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		f.Fatal(err)
	}
	a, err := f.e.Client.ExecAttach(f.Context(), exec.ID, client.ExecAttachOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer a.Close()
	r, w := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(w, w, a.Reader)
		_ = w.CloseWithError(err)
	}()
	b, err := io.ReadAll(r)
	if err != nil {
		f.Fatal(err)
	}
	is, err := f.e.Client.ExecInspect(f.Context(), exec.ID, client.ExecInspectOptions{})
	if err != nil {
		f.Fatal(err)
	}
	return string(b), is.ExitCode
}

// beside starts another org's instance, and asks it until the end of the test: it answers, and is the
// same. The result is how often it has answered.
func (f *fixture) beside() (answered func() int64) {
	f.Helper()
	o := f.another(f.T)
	was := o.boot(1).ID
	address := o.ensure(1).Address
	ctx, stop := context.WithCancel(context.WithoutCancel(f.Context()))
	var asked atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			b, answers := f.booted(ctx, address)
			if ctx.Err() == nil && (!answers || b.ID != was) {
				f.Errorf("the other org's instance answers %t as %s, not as %s", answers, b.ID, was)
				return
			}
			asked.Add(1)
			time.Sleep(10 * time.Millisecond) // a load of its own would hide the other's
		}
	})
	f.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return asked.Load
}

// get asks an instance.
func get(ctx context.Context, address, path string) ([]byte, error) {
	network, at := provision.SplitAddress(address)
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return sockets.Dialer(ctx, network, at)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://instance"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}
