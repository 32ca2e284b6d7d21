package caddymodule

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() { caddy.RegisterModule(new(Drain)) }

// Drain is a listener wrapper for servers whose sockets somebody else holds, as
// systemd does (`bind fd/3`): before a reload or stop it takes no more
// connections, and gives those that it took time to send their first request.
// Without it Go's server drops requests that arrive in the moment of its
// shutdown. What comes meanwhile waits in the socket for the next server.
type Drain struct {
	// How long a connection has for its first request, its TLS handshake included. Default: `1s`.
	Wait *caddy.Duration `json:"wait,omitempty"`

	mu        sync.Mutex
	listeners []*drainListener
}

// CaddyModule returns the Caddy module information.
func (*Drain) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.drain", New: func() caddy.Module { return new(Drain) }}
}

// Provision implements caddy.Provisioner.
func (d *Drain) Provision(ctx caddy.Context) error {
	if d.Wait != nil && *d.Wait < 0 {
		return errors.New("drain: wait must not be negative")
	}
	app, err := ctx.AppIfConfigured("pizzeria")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("this needs the global option `pizzeria { domain ... }`")
	}
	if err != nil {
		return err
	}
	return app.(*App).drained(ctx, d)
}

// WrapListener implements caddy.ListenerWrapper.
func (d *Drain) WrapListener(l net.Listener) net.Listener {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl := &drainListener{Listener: l, closed: make(chan struct{})}
	d.listeners = append(d.listeners, dl)
	return dl
}

// stop takes no more connections, and returns until when those that were taken have time.
func (d *Drain) stop() (until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := time.Duration(valueOr(d.Wait, caddy.Duration(time.Second)))
	for _, l := range d.listeners {
		l.draining.Store(true)
		_ = l.closeOnce()
		if t := time.Unix(0, l.accepted.Load()).Add(wait); t.After(until) {
			until = t
		}
	}
	return until
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax:
//
//	drain [<wait>]
func (d *Drain) UnmarshalCaddyfile(c *caddyfile.Dispenser) error {
	c.Next()
	if c.CountRemainingArgs() > 0 {
		if err := durationArg(c, &d.Wait); err != nil {
			return err
		}
	}
	if c.NextBlock(0) {
		return c.Err("drain takes how long it waits, and no block")
	}
	return nil
}

type drainListener struct {
	net.Listener
	accepted atomic.Int64 // when the last connection came, in Unix nanoseconds
	draining atomic.Bool
	once     sync.Once
	err      error
	end      sync.Once
	closed   chan struct{}
}

// Accept implements net.Listener. A server whose listener drains does not hear of it until it closes it.
func (l *drainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Store(time.Now().UnixNano())
		return c, nil
	}
	if l.draining.Load() {
		<-l.closed
		return nil, net.ErrClosed
	}
	return nil, err
}

// Close implements net.Listener.
func (l *drainListener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.closeOnce()
}

func (l *drainListener) closeOnce() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// drains are the drains of one config, which end together.
type drains struct{ all []*Drain }

// Handle implements caddyevents.Handler, for the event that the config is about to stop.
func (d *drains) Handle(context.Context, caddy.Event) error {
	var until time.Time
	for _, x := range d.all {
		if t := x.stop(); t.After(until) {
			until = t
		}
	}
	time.Sleep(time.Until(until)) // the old config serves meanwhile
	return nil
}

// drained notes a drain of this config.
func (a *App) drained(ctx caddy.Context, d *Drain) error {
	if a.drains == nil {
		events, err := ctx.App("events")
		if err != nil {
			return err
		}
		a.drains = new(drains)
		if err := events.(*caddyevents.App).On("stopping", a.drains); err != nil {
			return err
		}
	}
	a.drains.all = slices.Concat(a.drains.all, []*Drain{d})
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Drain)(nil)
	_ caddy.ListenerWrapper = (*Drain)(nil)
	_ caddyfile.Unmarshaler = (*Drain)(nil)
	_ caddyevents.Handler   = (*drains)(nil)
)
