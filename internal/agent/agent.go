//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/agent/pizzapi"
	"github.com/pizzaface/pizzeria/internal/processtree"
)

const (
	// drainTime is how long WebSockets may take to end before the app is asked to stop.
	drainTime = 500 * time.Millisecond
	// sidecarGrace is how long sidecars may take to stop once the app has ended.
	sidecarGrace = 2 * time.Second

	headerTime = 30 * time.Second // to read a request's header
	keepAlive  = 5 * time.Minute  // longer than the gateway keeps idle connections
)

// Agent runs an app until it ends or is stopped.
type Agent struct {
	c       Config
	env     []string
	log     *logbook
	out     outputs
	tree    *processtree.Tree
	app     *processtree.Process
	began   time.Time
	dial    func(context.Context) (net.Conn, error) // the app
	client  *http.Client                            // of the app
	port    *port
	proxy   *proxy       // nil with Direct
	pizzapi *pizzapi.App // nil with other profiles
	redis   *port        // of its Redis
	disk    disk
	servers []*http.Server
	// forwarding lead to the egress proxy and the Redis of instances, where there are such.
	forwarding []net.Listener

	sidecars sidecars

	pusher  *pusher // nil: nothing is pushed
	pushing sync.WaitGroup
	unpush  context.CancelFunc

	stop  sync.Once
	ended chan struct{}
}

// Start starts the app of a Config.
func Start(c Config) (*Agent, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	a := &Agent{c: c, began: c.Now(), ended: make(chan struct{})}
	var err error
	if a.pusher, err = newPusher(&c); err != nil {
		return nil, err
	}
	secrets, err := a.adapt()
	if err != nil {
		a.close()
		return nil, err
	}
	a.log = &logbook{redact: newRedactor(append(c.secrets(), secrets...)), now: c.Now, to: c.Log}
	a.out.log = a.log
	if err := a.start(); err != nil {
		if a.tree != nil {
			a.sidecars.stop()
			a.tree.End()
			a.out.finish()
		}
		a.close()
		return nil, err
	}
	a.push()
	go a.wait()
	return a, nil
}

// push pushes heartbeats until the app has ended.
func (a *Agent) push() {
	if a.pusher == nil {
		return
	}
	a.pusher.beat, a.pusher.say = a.heartbeat, a.log.say
	var ctx context.Context
	ctx, a.unpush = context.WithCancel(context.Background())
	a.pushing.Go(func() { a.pusher.run(ctx) })
}

func (a *Agent) start() error {
	if err := a.prepare(); err != nil {
		return err
	}
	var err error
	if a.tree, err = processtree.New(a.c.Lock); err != nil {
		return err
	}
	if a.proxy != nil {
		network, address := splitAddress(a.c.Listen)
		srv := &http.Server{Handler: a.proxy, ReadHeaderTimeout: headerTime, IdleTimeout: keepAlive}
		if err := a.serve(srv, network, address); err != nil {
			return err
		}
	}
	if a.c.Socket != "" {
		if err := a.serve(a.ownServer(), "unix", a.c.Socket); err != nil {
			return err
		}
	}
	if err := a.startSidecars(); err != nil {
		return err
	}
	if a.app, err = a.run(sidecar{command: a.c.Command, env: a.env}, ""); err != nil {
		return fmt.Errorf("cannot start the command: %w", err)
	}
	return nil
}

// prepare finds out where the app listens and what its environment is.
func (a *Agent) prepare() error {
	env := maps.Clone(a.c.Env)
	if env == nil {
		env = map[string]string{}
	}
	network, address := splitAddress(a.c.Listen)
	if a.c.Profile != Direct {
		var err error
		if a.port, err = reservePort(env["PORT"]); err != nil {
			return err
		}
		network, address = "tcp", a.port.address()
		env["PORT"], env["PIZZERIA_LISTEN"] = a.port.String(), address
		if env["HOST"] == "" {
			env["HOST"] = loopback
		}
	}
	if a.c.Egress != "" {
		if err := a.forward(env); err != nil {
			return err
		}
	}
	if a.c.Redis != "" {
		if err := a.forwardRedis(env); err != nil {
			return err
		}
	}
	if a.pizzapi != nil {
		for _, name := range pizzapi.Unset() {
			delete(env, name)
		}
		maps.Copy(env, a.pizzapi.Environment())
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		a.env = append(a.env, name+"="+env[name])
	}
	a.dial = func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, network, address)
	}
	a.client = a.newClient()
	if a.c.Profile == Direct {
		return nil
	}
	var err error
	if a.proxy, err = newProxy(a.c, a.dial, log.New(a.log, "", 0)); err != nil {
		return err
	}
	if a.pizzapi != nil {
		a.pizzapi.Use(a.proxy.transport)
		a.proxy.pizzapi = a.pizzapi
	}
	return nil
}

// adapt prepares for PizzaPi, and returns what of that must not reach the log.
func (a *Agent) adapt() (secrets []string, err error) {
	if a.c.Profile != PizzaPi {
		return nil, nil
	}
	if a.redis, err = reservePort(""); err != nil {
		return nil, err
	}
	a.pizzapi, err = pizzapi.New(pizzapi.Config{
		Env: a.c.Env, RedisPort: a.redis.String(), Now: a.c.Now, Say: func(s string) { a.log.say(s) },
	})
	if err != nil {
		return nil, err
	}
	return a.pizzapi.Secrets(), nil
}

// serve serves at an address until the app has ended.
func (a *Agent) serve(srv *http.Server, network, address string) error {
	if network == "unix" {
		if err := os.Remove(address); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	srv.ErrorLog = log.New(a.log, "", 0)
	a.servers = append(a.servers, srv)
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.say("serve " + address + ": " + err.Error())
		}
	}()
	return nil
}

// run starts the app, or a sidecar with its name.
func (a *Agent) run(s sidecar, name string) (*processtree.Process, error) {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir, cmd.Env = a.c.Dir, s.env
	if s.input != "" {
		cmd.Stdin = strings.NewReader(s.input)
	}
	started, err := a.out.connect(cmd, name)
	if err != nil {
		return nil, err
	}
	defer started()
	return a.tree.Start(cmd)
}

// PID is the app's process ID.
func (a *Agent) PID() int { return a.app.PID() }

// Signal sends a signal to the app's process group.
func (a *Agent) Signal(s syscall.Signal) { a.app.Signal(s) }

// Wait returns how the app ended, when nothing that comes from it or from sidecars is left.
func (a *Agent) Wait() syscall.WaitStatus {
	<-a.ended
	return a.app.Status()
}

func (a *Agent) wait() {
	<-a.app.Done()
	if a.unpush != nil {
		a.unpush()
		a.pushing.Wait()
	}
	a.sidecars.stop()
	a.sidecars.await(sidecarGrace)
	a.tree.End()
	a.out.finish()
	a.close()
	close(a.ended)
}

func (a *Agent) close() {
	for _, s := range a.servers {
		_ = s.Close()
	}
	for _, l := range a.forwarding {
		_ = l.Close()
	}
	if a.proxy != nil {
		a.proxy.transport.CloseIdleConnections()
	}
	for _, p := range []*port{a.port, a.redis} {
		if p != nil {
			p.release()
		}
	}
}

// Stop drains, asks the app to end, and makes it after the grace. It returns when the app, and
// everything that comes from it, has ended.
//
// WebSockets and event streams end first, since apps wait for them; other requests may go on until
// the app ends.
func (a *Agent) Stop(grace time.Duration) {
	a.stop.Do(func() {
		forced := time.AfterFunc(grace, a.app.Kill)
		go func() {
			<-a.app.Done()
			forced.Stop()
		}()
		a.drain()
		a.app.Signal(syscall.SIGTERM)
	})
	<-a.ended
}

// drain takes no more connections and ends what does not end by itself.
func (a *Agent) drain() {
	if a.proxy == nil {
		return
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.servers[0].Shutdown(gone) // closes listeners and idle connections, and waits for nothing
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	a.proxy.open.cut(ctx, closeGoingAway, "the app stops", (*exchange).endless)
}
