// Package provision makes instances come and go: the Provider contract, and the
// Reconciler that drives a provider until the world is as the registry wants it.
//
// Flow: the registry says per org what is wanted (running, stopped, absent) and
// which generation. The Reconciler leases the org, asks the provider to make it
// so, waits until the instance is healthy, and reports what it saw. It is woken by the change feed,
// and by a provider that is a Watcher. It looks at everything again every 30 seconds, or every 2
// where the provider does not tell what ends, by one query and one List, so a lost wake-up, a crash
// or a killed instance mends itself. Running instances are asked
// for their health path; one that stays silent becomes degraded, then is replaced.
//
// Rooms: queue (who is looked at when), decide (what an instance needs), job (the
// work under a lease), start, backoff (failures), watch and health (health checks),
// sweep (strays).
//
// Several providers (Providers) have names in the config, and a Provider knows nothing of that. A
// generation keeps the one that it was started by; the next one may be started by another, once the
// last has ended where it ran. Instances of a provider that is not configured any more are left
// alone.
//
// Invariants:
//   - Provider calls are idempotent and named by installation, org and generation.
//   - Stopping generation n never touches n+1, another installation, or data.
//   - At most one reconciler works on an org; a report under a lost lease is refused.
//   - Work ends before its lease does. What a paused reconciler does later is harmless,
//     since it concerns a generation that is history.
//   - The time of the next attempt follows from the store alone; see registry.Instance.RetryAt.
//   - Health checks write to the store only what changes a state.
//
// # Installations
//
// Several installations may use one machine, container engine or cluster, and a database may be put
// where another's was. So everything that a provider makes carries the ID of its installation, and
// what carries another one is never adopted or stopped. The ID is made once, in the store, and
// every backup has it.
//
// A provider is bound to the ID by Provider.For, once, and not told it with each call: no call can
// forget it, and the config can be checked before there is a store. A copy of a data directory with
// its database is the same installation, on whatever machine: both must not run on one engine.
//
// It knows nothing of identity: what an instance gets in its environment is
// made by an Environment function that the composition root supplies.
//
// # Compatibility
//
// Provider, Watcher, Keeper, Limiter, Secured, Limited, Ref, Spec, Observed and Seen are for
// providers elsewhere, and stable in the sense of Semantic Versioning: such a provider goes on to compile,
// and is called as they document. Spec and Observed may get fields in a minor release: name the
// fields of their literals. The Reconciler, its Config and its Store may change in a minor release.
// Package providertest checks a provider, and may check more in a minor release. Before 1.0.0,
// minor releases may break all of this; see docs/reference/go.md.
package provision
