// Package hostside is what providers share that run instances on this machine: the owners of an org's
// files, the log that its agent writes, and the agent's socket.
//
// All of this may be in directories that belong to the org, which may put there what it likes at any
// time: nothing here follows a link in them, waits for what is in them, or reads without a bound.
package hostside
