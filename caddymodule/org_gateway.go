package caddymodule

import (
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	httpcaddyfile.RegisterDirective("org_gateway", parseOrgGateway)
	httpcaddyfile.RegisterDirectiveOrder("org_gateway", httpcaddyfile.Before, "reverse_proxy")
}

// parseOrgGateway is sugar. The whole of
//
//	org_gateway [<matcher>]
//
// is
//
//	route [<matcher>] {
//		org
//		org_auth
//		reverse_proxy {
//			dynamic org
//			transport org
//			stream_close_delay 24h
//		}
//	}
//
// and whoever needs an option of a part writes the parts.
func parseOrgGateway(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	h.Next()
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Err("org_gateway takes no options: write its parts, org, org_auth and reverse_proxy, to set some")
	}
	proxy := &reverseproxy.Handler{
		DynamicUpstreamsRaw: caddyconfig.JSONModuleObject(Upstream{}, "source", "org", nil),
		TransportRaw:        caddyconfig.JSONModuleObject(&Transport{}, "protocol", "org", nil),
		StreamCloseDelay:    caddy.Duration(24 * time.Hour),
	}
	// One route: Caddy compiles every route of a subroute anew for each request.
	sub := &caddyhttp.Subroute{Routes: caddyhttp.RouteList{{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(&Org{}, "handler", "org", nil),
		caddyconfig.JSONModuleObject(&OrgAuth{}, "handler", "org_auth", nil),
		caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil),
	}}}}
	return h.NewRoute(matcher, sub), nil
}
