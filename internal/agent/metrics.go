//go:build linux || darwin

package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/metrics"
	"time"
)

const (
	metricsTime = 5 * time.Second
	maxMetrics  = 4 << 20 // bytes of the app's metrics
)

// serveMetrics writes the agent's metrics and then the app's, in Prometheus' text format. It is
// written by hand: client_golang would take more memory than the rest of the agent.
func (a *Agent) serveMetrics(w http.ResponseWriter, r *http.Request) {
	app, err := a.appMetrics(r.Context())
	var b bytes.Buffer
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	one := func(name, kind, help string, value any) {
		metric(name, kind, help)
		fmt.Fprintf(&b, "%s %v\n", name, value)
	}
	metric("pizzeria_agent_info", "gauge", "The agent's version and profile.")
	fmt.Fprintf(&b, "pizzeria_agent_info{version=%q,profile=%q} 1\n", Version(), a.c.Profile)
	one("pizzeria_agent_start_time_seconds", "gauge", "When the app was started.", a.began.Unix())
	one("pizzeria_agent_memory_bytes", "gauge", "Memory that the agent has from the system.", ownMemory())
	one("pizzeria_agent_sidecar_restarts_total", "counter", "Sidecars that were started again.",
		a.sidecars.restarts.Load())
	up := 0
	if err == nil {
		up = 1
	}
	one("pizzeria_agent_app_metrics", "gauge", "Whether the app has metrics, which follow.", up)
	if p := a.proxy; p != nil {
		open, tunnels := p.open.count()
		one("pizzeria_agent_open_requests", "gauge", "Requests under way, WebSockets included.", open)
		one("pizzeria_agent_open_websockets", "gauge", "Open WebSockets.", tunnels)
		metric("pizzeria_agent_requests_total", "counter", "Requests by the class of the status.")
		for class := range p.counts.byClass {
			code := fmt.Sprintf("%dxx", class)
			if class == 0 {
				code = "none"
			}
			n := p.counts.byClass[class].Load()
			fmt.Fprintf(&b, "pizzeria_agent_requests_total{code=%q} %d\n", code, n)
		}
		metric("pizzeria_agent_refused_total", "counter", "Requests that the agent refused, by the reason.")
		for reason, name := range refusals {
			n := p.counts.byReason[reason].Load()
			fmt.Fprintf(&b, "pizzeria_agent_refused_total{reason=%q} %d\n", name, n)
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes())
	_, _ = w.Write(app)
}

// appMetrics asks the app for its metrics. An app that answers every path with a page has none.
func (a *Agent) appMetrics(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://app"+a.c.Metrics, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusOK || kind != "text/plain" {
		return nil, fmt.Errorf("%s answers %s with %q", a.c.Metrics, res.Status, kind)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxMetrics+1))
	if err == nil && len(b) > maxMetrics {
		err = fmt.Errorf("%s answers with more than 4 MiB", a.c.Metrics)
	}
	if err != nil {
		return nil, err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return b, nil
}

func ownMemory() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
