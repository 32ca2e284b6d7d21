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
	"sync"
	"syscall"
	"time"

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
	proxy   *proxy // nil with Direct
	disk    disk
	servers []*http.Server
	// forwarding leads to the egress proxy; nil without one.
	forwarding net.Listener

	sidecars sidecars

	stop  sync.Once
	ended chan struct{}
}

// Start starts the app of a Config.
func Start(c Config) (*Agent, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	a := &Agent{c: c, began: c.Now(), ended: make(chan struct{})}
	a.log = &logbook{redact: newRedactor(c.secrets()), now: c.Now, to: c.Log}
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
	go a.wait()
	return a, nil
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
	if a.app, err = a.run(a.c.Command, ""); err != nil {
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
	a.proxy, err = newProxy(a.c, a.dial, log.New(a.log, "", 0))
	return err
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

// run starts a command with the app's environment.
func (a *Agent) run(command []string, sidecar string) (*processtree.Process, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = a.c.Dir, a.env
	started, err := a.out.connect(cmd, sidecar)
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
	if a.forwarding != nil {
		_ = a.forwarding.Close()
	}
	if a.proxy != nil {
		a.proxy.transport.CloseIdleConnections()
	}
	if a.port != nil {
		a.port.release()
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
