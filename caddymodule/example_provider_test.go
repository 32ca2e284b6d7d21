package caddymodule_test

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/caddymodule"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/process"
)

// Python is a provider of one's own: a guest module whose ID begins with `pizzeria.providers`. It
// runs a Python module for each org, by the process provider.
type Python struct {
	// The module that is run. Required.
	Module string `json:"module,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Python) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.providers.python", New: func() caddy.Module { return new(Python) }}
}

// UnmarshalCaddyfile parses `provider python { module <module> }`. An argument after the kind would
// be the provider's name, which is not for the module.
func (p *Python) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	for d.NextBlock(0) {
		if d.Val() != "module" || !d.AllArgs(&p.Module) {
			return d.ArgErr()
		}
	}
	return nil
}

// NewProvider implements caddymodule.Provider. The shim that stands beside each instance is a
// command of every program with these modules.
func (p *Python) NewProvider(dataDir string) (provision.Provider, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return process.New(process.Config{
		Dir: dataDir, Command: []string{"/usr/bin/python3", "-m", p.Module}, Grace: 5 * time.Second,
		Shim: []string{self, "pizzeria", "shim"},
	})
}

// Interface guards
var (
	_ caddymodule.Provider  = (*Python)(nil)
	_ caddyfile.Unmarshaler = (*Python)(nil)
)

// A provider of one's own is named in the Caddyfile as ours are.
func ExampleProvider() {
	caddy.RegisterModule(Python{}) // elsewhere in an init function

	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	pizzeria {
		domain d.example
		provider python {
			module shop
		}
	}
}
`), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(config))

	// Output:
	// {"apps":{"pizzeria":{"domain":"d.example","provider":{"kind":"python","module":"shop"}}}}
}
