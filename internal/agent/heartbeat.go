//go:build linux || darwin

package agent

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/pizzaface/pizzeria/internal/agent/pizzapi"
	"github.com/pizzaface/pizzeria/provision"
)

const (
	healthTime = 5 * time.Second
	maxHealth  = 64 << 10 // bytes of the app's answer that are read
)

// appHealth is what an app may tell in the body of its health check. All of it is optional.
type appHealth struct {
	Status   string `json:"status"`
	Version  string `json:"version"`
	Busy     bool   `json:"busy"`
	Sessions *int   `json:"sessions"`
	Runners  *int   `json:"runners"`
}

// newClient returns a client of the app.
func (a *Agent) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return a.dial(ctx) },
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (a *Agent) heartbeat(ctx context.Context) provision.Heartbeat {
	h := provision.Heartbeat{
		OrgID: a.c.OrgID, Generation: a.c.Generation, At: a.c.Now().UTC(), StartedAt: a.began.UTC(),
		Agent: Version(), Disk: a.disk.size(a.c.Data, a.c.Now()),
	}
	var app appHealth
	h.Health, app = a.askHealth(ctx)
	h.Version, h.Busy, h.Sessions, h.Runners = app.Version, app.Busy, app.Sessions, app.Runners
	if a.proxy != nil {
		h.Sockets, _ = a.proxy.open.count()
		h.Busy = h.Busy || h.Sockets > 0
	}
	h.CPU, h.Memory = used()
	return h
}

// healthPath is the app's own, which the host side may know by another.
func (a *Agent) healthPath() string {
	if a.pizzapi != nil {
		return pizzapi.Health
	}
	return a.c.Health
}

// askHealth asks the app how it is.
func (a *Agent) askHealth(ctx context.Context) (string, appHealth) {
	const ok, degraded, failing = "ok", "degraded", "failing"
	var told appHealth
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://app"+a.healthPath(), nil)
	if err != nil {
		return "unknown", told
	}
	res, err := a.client.Do(req)
	if err != nil {
		return failing, told
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(io.LimitReader(res.Body, maxHealth)); err != nil || json.Unmarshal(b, &told) != nil {
		told = appHealth{}
	}
	switch {
	case res.StatusCode != http.StatusOK:
		return failing, told
	case told.Status == degraded:
		return degraded, told
	default:
		return ok, told
	}
}

// Version is the version of this program, from its build.
func Version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
