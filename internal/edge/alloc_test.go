package edge

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

type fixedRoute struct{ route *registry.Route }

func (o fixedRoute) Route(context.Context, string) (*registry.Route, error) {
	return o.route, nil
}

// TestKnownOrgsCostNoAllocation: finding a known org and counting its request allocates nothing.
func TestKnownOrgsCostNoAllocation(t *testing.T) {
	route := &registry.Route{OrgID: registry.OrgID(registry.NewID()), Slug: "acme", Status: registry.RouteServing}
	d, err := NewDirectory(fixedRoute{route}, nil, 100, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	for name, f := range map[string]func(){
		"authority": func() {
			if _, err := registry.SlugFromAuthority("acme.pizzapi.example.com:8443", "pizzapi.example.com"); err != nil {
				t.Error(err)
			}
		},
		"route": func() {
			if _, err := d.Lookup(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
		},
		"metrics": func() { m.Request(route, 200, time.Millisecond) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
