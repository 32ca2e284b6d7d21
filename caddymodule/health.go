package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/provision"
)

// health is what the reconciler is told.
func (a *App) health() provision.Health {
	return provision.Health{
		Path: a.HealthPath, Interval: time.Duration(a.HealthInterval),
		Failures: a.HealthFailures, RestartAfter: time.Duration(a.HealthRestartAfter),
	}
}

// checkHealth checks the options of health checks that are set; 0 stands for the default.
func (a *App) checkHealth() error {
	if a.HealthPath != "" {
		u, err := url.ParseRequestURI(a.HealthPath)
		if err != nil || !strings.HasPrefix(a.HealthPath, "/") || u.Host != "" {
			return fmt.Errorf("health_path: %q is not a path: write one like /healthz", a.HealthPath)
		}
	}
	if a.HealthInterval > 0 && time.Duration(a.HealthInterval) < 100*time.Millisecond {
		return errors.New("health_interval must be at least 100ms, or off")
	}
	if a.HealthFailures < 0 || a.HealthFailures > 100 {
		return errors.New("health_failures must be 1 to 100")
	}
	return nil
}
