//go:build linux

package docker

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestEgress: an instance reaches what the operator allows, by its proxy alone, and never what gives
// out a cloud's credentials. The proxy ends with it.
func TestEgress(t *testing.T) {
	t.Parallel()
	e := dockertest.Shared(t, false)
	l := e.Listen(t, "172.17.0.1:0") // of the engine's bridge
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "basil") })}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	for name, row := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"allow": {func(c *Config) { c.Egress, c.Allow = EgressAllow, []string{"0.0.0.0/0"} }, "200 basil"},
		"none":  {func(*Config) {}, "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, e, row.change)
			const metadata = "http://169.254.169.254/"
			f.run(registry.Limits{}, "/box", "fetch", "http://"+l.Addr().String(), metadata)
			log := f.logged("fetched " + metadata)
			if !strings.Contains(log, row.want) {
				t.Error(log)
			}
			if _, got, _ := strings.Cut(log, "fetched "+metadata); !strings.Contains(got, "403") && name == "allow" || strings.Contains(got, "200") {
				t.Error(got)
			}
			if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
				t.Error(err)
			}
			f.nothingLeft()
		})
	}
}
