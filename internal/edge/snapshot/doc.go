// Package snapshot keeps a file that a gateway goes on from when the store is away: a copy of all
// routes, and the little else of registry.Snapshot. Whatever is in it can be made again from the
// store. It needs no database, since a node without one has it, too.
//
// A file is a header, the routes, an index of where each begins, and then what changed: routes,
// slugs without a route any more, and states. A state completes the changes before it; what follows
// the last whole state was being written in a crash, and does not count. So a file is always as it
// was after some update. What changed since the file was written as a whole is in memory as well,
// in part; before that is much, the file is written as a whole again.
//
// One process writes a file. Every record has a checksum: a damaged file says less, never something
// else.
package snapshot
