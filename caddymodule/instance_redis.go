package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/orgredis"
)

// parseInstanceRedis parses the Redis that instances share. Syntax:
//
//	instance_redis {
//		url     <url>
//		ca_file <file>
//		memory  <size>
//		scripts
//	}
func parseInstanceRedis(d *caddyfile.Dispenser) (*orgredis.Config, error) {
	c := new(orgredis.Config)
	if d.NextArg() {
		return nil, d.Err("instance_redis takes a block: instance_redis { url <url> }")
	}
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return nil, d.Errf("%s is given twice", option)
		}
		seen[option] = true
		var err error
		switch option {
		case "url":
			err = oneArg(d, &c.URL)
		case "ca_file":
			err = oneArg(d, &c.CAFile)
		case "memory":
			var n *int64
			if err = sizeArg(d, &n); err == nil {
				c.Memory = *n
			}
		case "scripts":
			if c.Scripts = true; d.NextArg() {
				err = d.Err("scripts takes no argument")
			}
		default:
			err = d.Errf("unknown option %q: use url, ca_file, memory or scripts", option)
		}
		if err != nil {
			return nil, located(d, err)
		}
	}
	if err := expanded(c).Check(); err != nil {
		return nil, located(d, err)
	}
	return c, nil
}
