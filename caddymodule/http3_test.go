package caddymodule

import (
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestHTTP3IsOff: on every server and listener, before and after Caddy has set its defaults, and
// without a change to the list that all servers share.
func TestHTTP3IsOff(t *testing.T) {
	t.Parallel()
	defaults := []string{"h1", "h2", "h3"}
	for name, c := range map[string]struct {
		protocols, listener []string
		wantOf, wantOn      []string // of the server, of its listener
		fails               bool
	}{
		"nothing is set":       {wantOf: []string{"h1", "h2"}},
		"Caddy's defaults":     {protocols: defaults, wantOf: []string{"h1", "h2"}},
		"named":                {protocols: []string{"h3", "h1"}, wantOf: []string{"h1"}},
		"none":                 {protocols: []string{"h1", "h2c"}, wantOf: []string{"h1", "h2c"}},
		"alone":                {protocols: []string{"h3"}, fails: true},
		"of a listener":        {listener: defaults, wantOf: []string{"h1", "h2"}, wantOn: []string{"h1", "h2"}},
		"alone of a listener":  {listener: []string{"h3"}, fails: true},
		"a listener's default": {listener: []string{"h3", ""}, wantOf: []string{"h1", "h2"}, wantOn: []string{""}},
	} {
		srv := &caddyhttp.Server{Listen: []string{":443"}, Protocols: c.protocols}
		if c.listener != nil {
			srv.ListenProtocols = [][]string{c.listener}
		}
		err := withoutHTTP3("srv0", srv)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if !slices.Equal(srv.Protocols, c.wantOf) || c.listener != nil && !slices.Equal(srv.ListenProtocols[0], c.wantOn) {
			t.Errorf("%s: %q %q", name, srv.Protocols, srv.ListenProtocols)
		}
	}
	if !slices.Equal(defaults, []string{"h1", "h2", "h3"}) {
		t.Errorf("the shared list is now %q", defaults)
	}
}
