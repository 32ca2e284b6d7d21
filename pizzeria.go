// Package pizzeria plugs the Caddy modules in, so that this module's path is a
// Caddy plugin: `xcaddy build --with github.com/pizzaface/pizzeria`.
package pizzeria

import _ "github.com/pizzaface/pizzeria/caddymodule" // registers the modules
