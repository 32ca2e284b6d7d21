package caddymodule

import (
	"net/url"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkRedirects warns of redirects from http that lead to the wrong port: Caddy takes its
// https_port for one that is 443 outside.
func (a *App) checkRedirects(ctx caddy.Context) {
	srv, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if a.redirectsChecked || srv == nil || srv.AutoHTTPS != nil && srv.AutoHTTPS.DisableRedir {
		return
	}
	a.redirectsChecked = true
	u, err := url.Parse(a.site.Issuer)
	if err != nil || u.Port() == "" {
		return
	}
	for _, m := range ctx.Modules() {
		if app, ok := m.(*caddyhttp.App); ok && u.Port() == strconv.Itoa(app.HTTPSPort) {
			ctx.Slogger().Warn("redirects from http lead to port 443: remove https_port "+
				"and name the port in the addresses of the sites", "issuer", a.site.Issuer)
		}
	}
}
