package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/registry"
)

// parseSettings parses what orgs may set for their instances. Syntax:
//
//	settings {
//		<NAME> <text|secret|url|email|number|bool|choice> [<label>] {
//			help     <text>
//			group    <title>
//			default  <value>
//			options  <value>...
//			required
//		}
//		allow <NAME|PREFIX_*>...
//	}
func parseSettings(d *caddyfile.Dispenser) (*registry.Schema, error) {
	s := &registry.Schema{Fields: []registry.Field{}, Allow: []string{}}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() == "allow" {
			names := d.RemainingArgs()
			if len(names) == 0 {
				return nil, d.ArgErr()
			}
			s.Allow = append(s.Allow, names...)
		} else if err := parseField(d, s); err != nil {
			return nil, err
		}
		if err := expanded(s).Check(); err != nil {
			return nil, located(d, err)
		}
	}
	return s, nil
}

func parseField(d *caddyfile.Dispenser, s *registry.Schema) error {
	f := registry.Field{Name: d.Val()}
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.Errf("a setting is a name, a type and perhaps a label: %s", f.Name)
	}
	f.Type = registry.FieldType(args[0])
	if len(args) == 2 {
		f.Label = args[1]
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch option := d.Val(); option {
		case "help":
			err = oneArg(d, &f.Help)
		case "group":
			err = oneArg(d, &f.Group)
		case "default":
			err = oneArg(d, &f.Default)
		case "options":
			if f.Options = d.RemainingArgs(); len(f.Options) == 0 {
				err = d.ArgErr()
			}
		case "required":
			f.Required = true
			if d.NextArg() {
				err = d.ArgErr()
			}
		default:
			err = d.Errf("unknown option %q of a setting: use help, group, default, options or required", option)
		}
		if err != nil {
			return err
		}
	}
	s.Fields = append(s.Fields, f)
	return nil
}
