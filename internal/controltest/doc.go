// Package controltest runs the control plane in the test's own process: the real
// SQLite store, the real identity service, the API and the console, behind the
// handler that the server mounts. There is no Caddy, no gateway and no instance.
//
// Time is the Clock's and moves only when a test moves it. Requests go straight
// to the handler (Client.Do), or over a loopback socket where a test reads a
// stream (Client.Stream).
package controltest
