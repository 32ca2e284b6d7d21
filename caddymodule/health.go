package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/pizzaface/pizzeria/provision"
)

// health is what the reconciler is told.
func (a *App) health() provision.Health {
	h := provision.DefaultHealth()
	h.Path = cmp.Or(a.HealthPath, h.Path)
	h.Interval = time.Duration(valueOr(a.HealthInterval, caddy.Duration(h.Interval)))
	h.Failures = valueOr(a.HealthFailures, h.Failures)
	h.RestartAfter = time.Duration(valueOr(a.HealthRestartAfter, caddy.Duration(h.RestartAfter)))
	return h
}

// checkHealth checks the options of health checks that are set.
func (a *App) checkHealth() error {
	if i := a.HealthInterval; i != nil && *i >= 0 && time.Duration(*i) < 100*time.Millisecond {
		return errors.New("health_interval must be at least 100ms, or off")
	}
	if n := a.HealthFailures; n != nil && (*n < 1 || *n > 100) {
		return errors.New("health_failures must be 1 to 100")
	}
	if a.HealthPath == "" {
		return nil
	}
	return checkHealthPath(a.HealthPath)
}

func checkHealthPath(path string) error {
	u, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") || u.Host != "" {
		return fmt.Errorf("health_path: %q is not a path: write one like /healthz", path)
	}
	return nil
}
