// Package edge is the data path on org hosts, without Caddy: it turns a
// request into a route, an identity and an assertion, and filters what passes
// in both directions. Package caddymodule calls it, one method a module.
//
// Flow of a request: Admit (protocol, authority, reserved paths, route), then
// Authenticate (whose request it is), then Prepare on its way out, and RoundTrip,
// which filters the response on its way back.
//
// Invariants:
//   - The org comes from the authority alone, through registry.SlugFromAuthority.
//   - Cookie identity is attached only to same-origin requests and top-level GET navigations.
//   - The instance sees exactly one identity header, set last, and no cookie of ours.
//   - Nothing under the reserved prefix is ever proxied.
//   - For a known org and a known session there is no I/O.
package edge
