package edge

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// BenchmarkExchange: a whole exchange by Direct with an instance on a Unix socket, registered and
// judged.
func BenchmarkExchange(b *testing.B) {
	f := newFixture(b)
	i := serve(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	d := i.direct()
	_, _, first := f.ask()
	one := func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "http://acme.d.example/", nil)
		r.Body = nil
		st := &State{Route: first.Route, Claims: first.Claims, Assertion: first.Assertion, session: first.session, epoch: f.g.Revocations.epoch.Load()}
		st.Begin(nil)
		defer st.End()
		res, err := f.g.RoundTrip(st, r, &Transports{Direct: d})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				one()
			}
		})
	})
}

// registering is a request's way into the registry and out of it again.
func registering(g *Gateway, session registry.SessionID, route *registry.Route) func() error {
	return func() error {
		st := &State{Route: route}
		st.Claims.SessionID = session
		st.Begin(nil)
		defer st.End()
		return g.register(context.Background(), st)
	}
}

// BenchmarkRegister: what the registry of exchanges costs each request, alone and beside 10,000
// open WebSockets.
func BenchmarkRegister(b *testing.B) {
	g := &Gateway{GatewayConfig: GatewayConfig{Now: time.Now}, Streams: newStreams()}
	g.Revocations = newRevocations(time.Now, g.Streams)
	one := registering(g, "session", &registry.Route{OrgID: "org"})
	run := func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := one(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("alone", run)
	for range 10_000 {
		st := &State{Route: &registry.Route{OrgID: "org"}}
		if err := g.register(b.Context(), st); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("busy", run)
}

// TestRegisteringCostsNoAllocation: but for the request's state, which there is anyway.
func TestRegisteringCostsNoAllocation(t *testing.T) {
	g := &Gateway{GatewayConfig: GatewayConfig{Now: time.Now}, Streams: newStreams()}
	g.Revocations = newRevocations(time.Now, g.Streams)
	one := registering(g, "session", &registry.Route{OrgID: "org"})
	if n := testing.AllocsPerRun(100, func() {
		if err := one(); err != nil {
			t.Error(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
