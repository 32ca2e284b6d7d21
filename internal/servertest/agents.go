package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// agent stands beside an instance, on a socket of its own. It tells made-up numbers, and keeps what
// it is told.
type agent struct {
	server *http.Server
	done   chan struct{}

	mu      sync.Mutex
	told    []provision.Revocation
	fails   bool // to take revocations
	metrics http.HandlerFunc
}

func (p *Instances) agentSocket(r provision.Ref) string { return p.socket(r) + ".agent" }

// startAgent serves an agent.
func (p *Instances) startAgent(ctx context.Context, r provision.Ref) (*agent, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "unix", p.agentSocket(r))
	if err != nil {
		return nil, err
	}
	a := &agent{done: make(chan struct{})}
	began := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /heartbeat", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(Claim(r, began))
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, req *http.Request) {
		a.mu.Lock()
		metrics := a.metrics
		a.mu.Unlock()
		if metrics != nil {
			metrics(w, req)
			return
		}
		_, _ = fmt.Fprintf(w, "app_generation %d\n", r.Generation)
	})
	mux.HandleFunc("POST /revoke", a.revoke)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(a.done)
		_ = a.server.Serve(l)
	}()
	return a, nil
}

func (a *agent) revoke(w http.ResponseWriter, r *http.Request) {
	var v provision.Revocation
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fails {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	a.told = append(a.told, v)
	w.WriteHeader(http.StatusNoContent)
}

func (a *agent) stop() error {
	err := a.server.Close()
	<-a.done
	return err
}

// Claim is a heartbeat of an instance that began at a time.
func Claim(r provision.Ref, began time.Time) provision.Heartbeat {
	sessions, runners := 3, 1
	return provision.Heartbeat{
		OrgID: r.OrgID, Generation: r.Generation, At: time.Now(), StartedAt: began,
		Agent: "0.9-agent", Version: "1.2.3", Health: registry.HealthOK, Busy: true,
		Sessions: &sessions, Runners: &runners, Sockets: 2, CPU: 1.5, Memory: 42 << 20, Disk: 7 << 20,
	}
}

// Push makes instances ones that are elsewhere: their agents cannot be reached, and they push.
func (p *Instances) Push() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.elsewhere = true
}

// FailRevocations makes the agent of an org's instance refuse what it is told, or take it again.
func (p *Instances) FailRevocations(org registry.OrgID, fails bool) {
	p.agents(org, func(a *agent) { a.fails = fails })
}

// ServeMetrics has the agent of an org's instance serve other metrics.
func (p *Instances) ServeMetrics(org registry.OrgID, serve http.HandlerFunc) {
	p.agents(org, func(a *agent) { a.metrics = serve })
}

// Told is what the agent of an org's instance was told.
func (p *Instances) Told(org registry.OrgID) (all provision.Revocation) {
	p.agents(org, func(a *agent) {
		for _, v := range a.told {
			all.Users = append(all.Users, v.Users...)
			all.Runners = append(all.Runners, v.Runners...)
		}
	})
	return all
}

// agents calls f with the agent of an org's instance, alone.
func (p *Instances) agents(org registry.OrgID, f func(*agent)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, i := range p.run {
		if r.OrgID == org {
			i.agent.mu.Lock()
			f(i.agent)
			i.agent.mu.Unlock()
		}
	}
}

// ask sends a request to an agent.
func (p *Instances) ask(
	ctx context.Context, r provision.Ref, method, path string, body []byte,
) (io.ReadCloser, error) {
	if p.Elsewhere() {
		return nil, errors.ErrUnsupported
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(
		ctx context.Context, _, _ string,
	) (net.Conn, error) {
		return sockets.Dial(ctx, p.agentSocket(r))
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, errors.Join(fmt.Errorf("the agent answered %s", res.Status), res.Body.Close())
	}
	return res.Body, nil
}

// Heartbeat implements provision.Attended.
func (p *Instances) Heartbeat(
	ctx context.Context, r provision.Ref,
) (h provision.Heartbeat, err error) {
	body, err := p.ask(ctx, r, http.MethodGet, "/heartbeat", nil)
	if err != nil {
		return h, err
	}
	defer func() { _ = body.Close() }()
	return h, json.NewDecoder(io.LimitReader(body, registry.HeartbeatMax)).Decode(&h)
}

// Revoke implements provision.Attended.
func (p *Instances) Revoke(ctx context.Context, r provision.Ref, v provision.Revocation) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body, err := p.ask(ctx, r, http.MethodPost, "/revoke", b)
	if err != nil {
		return err
	}
	return body.Close()
}

// Metrics implements provision.Attended.
func (p *Instances) Metrics(ctx context.Context, r provision.Ref) (io.ReadCloser, error) {
	return p.ask(ctx, r, http.MethodGet, "/metrics", nil)
}

// Elsewhere implements provision.Remote.
func (p *Instances) Elsewhere() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.elsewhere
}

// Interface guards
var (
	_ provision.Attended = (*Instances)(nil)
	_ provision.Remote   = (*Instances)(nil)
)
