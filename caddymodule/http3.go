package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	http3     = "h3"
	http3Hint = "remove it, or set `http3` in the pizzeria block"
)

// withoutHTTP3 turns HTTP/3 off for a server that Caddy has not started. What the guard bounds
// cannot be bounded there. Caddy makes the QUIC listener itself: each connection may fill a window
// of 15 MiB and 100 streams, and quic-go allocates the announced length of each stream's head, up
// to the header limit, before Caddy asks any module.
func withoutHTTP3(name string, srv *caddyhttp.Server) error {
	if len(srv.Protocols) == 0 { // Caddy has not set its defaults yet
		srv.Protocols = []string{"h1", "h2"}
	}
	var ok bool
	if srv.Protocols, ok = dropHTTP3(srv.Protocols); !ok {
		return fmt.Errorf("server %s serves only HTTP/3, which is off: %s", name, http3Hint)
	}
	for i, protocols := range srv.ListenProtocols {
		if srv.ListenProtocols[i], ok = dropHTTP3(protocols); !ok {
			return fmt.Errorf("listener %s serves only HTTP/3, which is off: %s", srv.Listen[i], http3Hint)
		}
	}
	return nil
}

// dropHTTP3 returns the protocols without HTTP/3, and false when it was the only one. Servers
// share the list that it is given.
func dropHTTP3(protocols []string) ([]string, bool) {
	if !slices.Contains(protocols, http3) {
		return protocols, true
	}
	rest := slices.DeleteFunc(slices.Clone(protocols), func(p string) bool { return p == http3 })
	return rest, len(rest) > 0
}
