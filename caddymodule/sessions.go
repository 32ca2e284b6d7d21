package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/registry"
)

// parseSession parses one lifetime of sessions, and checks it by itself.
func (a *App) parseSession(d *caddyfile.Dispenser, name string) error {
	into := &a.SessionLifetime
	if name == "session_idle" {
		into = &a.SessionIdle
	}
	if err := durationArg(d, into); err != nil {
		return err
	}
	return checkSession(name, *into)
}

func checkSession(name string, d *caddy.Duration) error {
	if v := time.Duration(valueOr(d, caddy.Duration(registry.SessionLeast))); v < registry.SessionLeast ||
		v > registry.SessionMost || v%time.Second != 0 {
		return fmt.Errorf("%s must be from 5m to 90d, in whole seconds", name)
	}
	return nil
}

// checkSessions checks the lifetimes of sessions against each other.
func (a *App) checkSessions() error {
	if err := checkSession("session_idle", a.SessionIdle); err != nil {
		return err
	}
	if err := checkSession("session_lifetime", a.SessionLifetime); err != nil {
		return err
	}
	if s := a.sessions(); s.Idle > s.Absolute {
		return fmt.Errorf("session_idle must be at most session_lifetime, which is %s", s.Absolute)
	}
	return nil
}

func (a *App) sessions() registry.Lifetimes {
	return lifetimes(a.SessionIdle, a.SessionLifetime).OrDefault()
}

func lifetimes(idle, lifetime *caddy.Duration) registry.Lifetimes {
	seconds := func(d *caddy.Duration) registry.Seconds {
		return registry.Seconds(time.Duration(valueOr(d, 0)) / time.Second)
	}
	return registry.Lifetimes{Idle: seconds(idle), Absolute: seconds(lifetime)}
}
