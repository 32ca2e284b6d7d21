// Package flows tests what people do with a whole installation in the test's own process: see
// servertest. What needs the real binary, a browser or another process is in package endtoend.
package flows
