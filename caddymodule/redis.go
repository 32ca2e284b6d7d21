package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/shared"
)

// parseRedis parses what nodes share. Syntax:
//
//	redis {
//		url     <url>
//		mode    single|sentinel|cluster
//		ca_file <file>
//	}
func parseRedis(d *caddyfile.Dispenser) (*shared.Config, error) {
	c := new(shared.Config)
	if d.NextArg() {
		return nil, d.Err("redis takes a block: redis { url <url> }")
	}
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return nil, d.Errf("%s is given twice", option)
		}
		seen[option] = true
		into, ok := map[string]*string{"url": &c.URL, "mode": &c.Mode, "ca_file": &c.CAFile}[option]
		if !ok {
			return nil, d.Errf("unknown option %q: use url, mode or ca_file", option)
		}
		if err := oneArg(d, into); err != nil {
			return nil, err
		}
	}
	if err := expanded(c).Check(); err != nil {
		return nil, located(d, err)
	}
	return c, nil
}
