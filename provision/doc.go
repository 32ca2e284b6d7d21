// Package provision makes instances come and go: the Provider contract, and the
// Reconciler that drives a provider until the world is as the registry wants it.
//
// Flow: the registry says per org what is wanted (running, stopped, absent) and
// which generation. The Reconciler leases the org, asks the provider to make it
// so, waits until the instance is healthy, and reports what it saw. It is woken
// by the change feed and looks at everything again every few seconds, so a lost
// wake-up, a crash or a killed instance mends itself.
//
// Invariants:
//   - Provider calls are idempotent and named by org and generation.
//   - Stopping generation n never touches n+1, another installation, or data.
//   - At most one reconciler works on an org; a report under a lost lease is refused.
//
// It knows nothing of identity: what an instance gets in its environment is
// made by an Environment function that the composition root supplies.
package provision
