// Package caddymodule is Pizzeria as Caddy modules: config, lifecycle and glue
// around the libraries beside it, one file a module. It is the only package
// that imports Caddy.
package caddymodule
