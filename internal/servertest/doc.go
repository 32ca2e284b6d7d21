// Package servertest runs a whole installation in the test's own process: control plane, gateway
// and instances, behind net/http on a listener in memory, for tests of what people do. There is no
// Caddy and no other process. What Caddy does is tested in internal/endtoend.
package servertest
