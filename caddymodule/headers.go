package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	caddyHeaderLimit = 16 << 10 // what Caddy sets where the config sets nothing
	headerLimit      = 1 << 20
)

// raiseHeaderLimit lets requests with many cookies in. Any org's page can set
// cookies for the whole domain; under Caddy's default limit some of those would
// keep a person out of every org and of the control plane, who then could not
// even sign out. A limit that the config sets itself (`servers { max_header_size
// ... }`) stays.
func raiseHeaderLimit(ctx caddy.Context) {
	for _, m := range ctx.Modules() {
		app, ok := m.(*caddyhttp.App)
		if !ok {
			continue
		}
		for _, srv := range app.Servers {
			if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes == caddyHeaderLimit {
				srv.MaxHeaderBytes = headerLimit
			}
		}
	}
}
