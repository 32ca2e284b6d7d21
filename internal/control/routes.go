package control

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/heartbeat"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// routes mounts the surfaces.
func (c *Control) routes() error {
	mux := http.NewServeMux()
	c.handler = mux
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", c.serveReady)
	mux.Handle(heartbeat.Pattern, &heartbeat.Push{
		Store: c.store, Tokens: c.tokens, Record: c.beats, Counted: c.Metrics.heartbeat,
		Issuer: func() string { return c.site().Issuer }, Log: c.Log, Now: c.Now,
	})
	ended := func() <-chan struct{} { return c.ended }
	capacity := func() usage.Capacity { return usage.ReadCapacity(c.DataDir) }
	quotas := &usage.Quotas{
		Store: c.store, Recorder: c.usage, Busy: c.busy, Use: c.use, Enforces: c.enforces,
	}
	pages := &console.Console{
		Store: c.store, Identity: c.ids, Log: c.Log, Now: c.Now, Isolation: c.isolation,
		Ended: ended, Settings: c.settings, Webhooks: c.webhooks, Usage: c.usage, Quotas: quotas,
		Capacity: capacity, Logs: c.logs, Connections: c.connections,
		Outdated: c.Outdated, Image: c.image, Count: c.count, Operator: c.operator,
	}
	(&api.API{
		Store: c.store, Identity: c.ids, Log: c.Log, Ended: ended, Logs: c.logs,
		Settings: c.settings, Webhooks: c.webhooks, Usage: c.usage, Quotas: quotas,
		Providers: func() api.Providers { return c.Providers() }, Capacity: capacity,
		Isolation:   func() string { return c.isolation("") },
		Connections: c.connections, Outdated: c.Outdated, Image: c.image, Count: c.count, Page: pages.Problem,
		KeyUsed: c.Metrics.keyUsed, Metrics: c.instanceMetrics, Attended: c.attended, Environment: c.environmentElsewhere,
		EnrollAtApp: appEnroller{c.store, c.agents, c.Log}.enroll,
	}).Register(mux)
	return pages.Register(mux)
}

const (
	pingTimeout = 2 * time.Second
	// nodeAway is how long one of several nodes stays ready without the store: a failover takes less,
	// and after it the others may have what this one does not reach.
	nodeAway = 10 * time.Second
)

// serveReady says whether requests are served as they should be.
func (c *Control) serveReady(w http.ResponseWriter, r *http.Request) {
	select {
	case <-c.ended:
		wire.WriteProblem(w, r, c.site().Issuer, registry.Errorf(registry.CodeOverloaded, "", "the server ends"))
		return
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	grace := c.Tunables().OfflineGrace
	if c.Node != "" {
		grace = min(grace, nodeAway)
	}
	err := c.store.Ping(ctx)
	switch {
	case err == nil && c.redis.Away():
		_, _ = w.Write([]byte("ready; Redis is away\n"))
	case err == nil:
		_, _ = w.Write([]byte("ready\n"))
	case c.Now().Sub(c.Gateways.Contact()) < grace:
		_, _ = w.Write([]byte("ready for those who are signed in; the store is away\n"))
	default:
		wire.WriteProblem(w, r, c.site().Issuer, err)
	}
}

// operator is what the console says of the config.
func (c *Control) operator() console.Operator {
	t := c.Tunables()
	return console.Operator{
		Mail: t.Mail != nil, Providers: c.Providers().Names(), OfflineGrace: t.OfflineGrace,
		Sessions: t.Sessions, WebhookAllow: t.WebhookAllow, Schema: t.Settings,
	}
}

// environment is the instance contract, and the names in it that are secret.
func (c *Control) environment(w registry.Work) (map[string]string, []string, error) {
	p, err := c.Providers().Get(w.Instance.Provider)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	env, secrets, err := c.settings.Environment(ctx, w.Instance.OrgID)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(env, c.contract(w)) // ours win
	if elsewhere(p) {
		maps.Copy(env, c.push(w))
		secrets = append(secrets, tokenVariable)
	}
	return env, secrets, nil
}

// contract is what every instance is told.
func (c *Control) contract(w registry.Work) map[string]string {
	s := c.site()
	return map[string]string{
		"PIZZERIA_ORG_ID": string(w.Instance.OrgID), "PIZZERIA_ORG_SLUG": w.Slug,
		"PIZZERIA_ORG_GENERATION": fmt.Sprint(w.Instance.Generation), "PIZZERIA_ISSUER": s.Issuer,
		"PIZZERIA_PUBLIC_URL": s.OrgURL(w.Slug), "PIZZERIA_PREFIX": s.Prefix,
	}
}
