// Package caddymodule is Pizzeria as Caddy modules: config, lifecycle and glue
// around the libraries beside it, one file a module. It is the only package
// that imports Caddy.
//
// # Compatibility
//
// The module IDs, their Caddyfile syntax and their JSON fields are stable in the sense of Semantic
// Versioning, and so are the interfaces that guest modules implement: Provider for
// pizzeria.providers.*, and Store for pizzeria.stores.*. Use the modules through Caddy's config, as
// the examples do. Other exported names are there because Caddy needs them, and may change in a minor
// release. Before 1.0.0, minor releases may break all of this; see docs/reference/go.md.
package caddymodule
