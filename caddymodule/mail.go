package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/mail"
)

// parseMail parses how mail is sent. Syntax:
//
//	mail <host:port> {
//		from      <address>
//		tls       starttls|implicit|off
//		username  <name>
//		password  <password>
//		ca_file   <file>
//		templates <directory>
//	}
func parseMail(d *caddyfile.Dispenser) (*mail.Config, error) {
	c := new(mail.Config)
	if err := oneArg(d, &c.Server); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return nil, d.Errf("%s is given twice", option)
		}
		seen[option] = true
		into, ok := map[string]*string{"from": &c.From, "tls": &c.TLS, "username": &c.Username, "password": &c.Password, "ca_file": &c.CAFile, "templates": &c.Templates}[option]
		if !ok {
			return nil, d.Errf("unknown option %q: use from, tls, username, password, ca_file or templates", option)
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
