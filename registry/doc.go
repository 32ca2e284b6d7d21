// Package registry holds what exists: orgs, users, memberships, instances,
// sign-in sessions, one-time links, keys and the audit log.
//
// The package itself has the domain types, the rules that do not need a
// database (slugs, authorities, status changes, the policy table) and the
// Directory, the gateway's bounded view of routes. Backends live below it
// (sqlite) and pass the one conformance suite in storetest.
//
// Flow of a change: a Store method takes an Actor, checks the policy table
// inside a transaction, changes rows, and appends to the change feed and to
// the audit log in that same transaction. Whatever must react (Directory,
// revocation, reconciler, live pages) follows the feed.
//
// Invariants:
//   - Every Store method takes an Actor; the zero Actor is refused.
//   - What an actor may not see is "not found".
//   - Feed sequence numbers are gapless and in commit order.
//   - A slug belongs to one org; it goes to another only after quarantine.
//   - An org that has an owner never loses its last one.
//   - In an org that has an owner, nobody from outside gives anybody access: it waits for an
//     owner's Approval, or is refused.
//
// It knows nothing of HTTP, cookies, tokens or providers.
package registry
