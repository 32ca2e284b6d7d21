// Package agent runs an org's app and stands between it and the gateway.
//
// An [Agent] starts the app and its sidecars, ends everything that comes from them, and writes what
// they print as JSON lines with secrets redacted. It serves two addresses:
//
//   - The instance's own address, unless the profile is [Direct]. The agent checks the assertion of
//     each request (org, generation, expiry), so that a request for another org fails closed, and
//     tells the app who is asking in the form of its [Profile]. The app listens on loopback.
//   - A socket for the host side, which needs a credential: heartbeats, metrics, revocations.
//
// The process provider's shim and the command pizzeria-agent use this package. App and agent share
// a user, so the agent's secrets are not secret from the org, and what the agent reports is the
// org's claim. The package does not decide who may come in: the gateway does.
package agent
