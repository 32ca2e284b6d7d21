package edge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// nextRoutes gives one route after the other, and then the last one for ever.
type nextRoutes struct{ list []*registry.Route }

func (n *nextRoutes) Lookup(context.Context, string) (*registry.Route, error) {
	rt := n.list[0]
	if len(n.list) > 1 {
		n.list = n.list[1:]
	}
	return rt, nil
}

func generationOf(t *testing.T, assertion string) int64 {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Gen int64 `json:"org_gen"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c.Gen
}

// TestAgain: a request that could not be sent follows its org's instance, with an assertion for the new one, while its time lasts and nothing about it changed.
func TestAgain(t *testing.T) {
	f := newFixture(t)
	route := func(status registry.RouteStatus, gen int64) *registry.Route {
		return &registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Status: status, Generation: gen, Address: "unix//run/" + string(rune('0'+gen))}
	}
	old := route(registry.RouteServing, 1)
	next := route(registry.RouteServing, 2)
	renamed := *route(registry.RouteRenamed, 2)
	renamed.RedirectTo = "apex"
	other := *next
	other.OrgID = "another"
	for name, c := range map[string]struct {
		routes []*registry.Route
		hold   time.Duration
		change registry.Change
		want   *registry.Route // nil = not again
	}{
		"back at its place":       {[]*registry.Route{old}, time.Hour, registry.Change{}, old},
		"a new generation":        {[]*registry.Route{next}, time.Hour, registry.Change{}, next},
		"starting first":          {[]*registry.Route{route(registry.RouteStarting, 2), route(registry.RouteStarting, 2), next}, time.Hour, registry.Change{}, next},
		"no time to wait":         {[]*registry.Route{next}, 0, registry.Change{}, nil},
		"suspended meanwhile":     {[]*registry.Route{route(registry.RouteStarting, 2), route(registry.RouteSuspended, 2)}, time.Hour, registry.Change{}, nil},
		"renamed meanwhile":       {[]*registry.Route{&renamed, route(registry.RouteStarting, 2), &renamed, next}, time.Hour, registry.Change{}, next},
		"another org's now":       {[]*registry.Route{&other}, time.Hour, registry.Change{}, nil},
		"signed out meanwhile":    {[]*registry.Route{next}, time.Hour, registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock}, nil},
		"somebody else signs out": {[]*registry.Route{next}, time.Hour, registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "other", At: f.clock}, next},
	} {
		t.Run(name, func(t *testing.T) {
			f.g.Revocations = newRevocations(f.g.Now, f.g.Streams)
			status, _, st := f.ask()
			if status != 200 {
				t.Fatal(status)
			}
			st.Route, st.until = old, f.clock.Add(c.hold)
			f.g.Routes = &nextRoutes{c.routes}
			if c.change.Kind != "" {
				f.g.Revocations.Apply(c.change)
			}
			if got := f.g.Again(t.Context(), st); got != (c.want != nil) {
				t.Fatalf("%v", got)
			}
			if c.want == nil {
				return
			}
			if st.Route != c.want {
				t.Errorf("it goes to generation %d", st.Route.Generation)
			}
			if gen := generationOf(t, st.Assertion); gen != c.want.Generation {
				t.Errorf("the assertion is for generation %d", gen)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, st := f.ask()
	st.until = f.clock.Add(time.Hour)
	if f.g.Again(ctx, st) {
		t.Error("a request that ended is sent again")
	}
}
