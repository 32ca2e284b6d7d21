// Command pizzeria is Caddy with Pizzeria's modules, under its own name.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/pizzaface/pizzeria/caddymodule"
)

func main() {
	caddymodule.Brand()
	caddycmd.Main()
}
