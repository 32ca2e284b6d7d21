// Package storecopy copies a whole store into an empty one, of the same database or of another, while
// no server uses either.
//
// Both databases say themselves which tables, columns, types, keys and references they have. They
// must agree, so no table can be left out. Tables are filled in the order of their references, and
// rows are copied as they are, with IDs, feed numbers, hashes and MACs of the audit log. Values are
// converted where types differ, and an error ends the copy where that would change one. Only text
// that the target cannot store is changed, and reported; never in a key or in the audit log.
//
// Each database is read or written in one transaction. Before the target's commits, both databases
// are read again in the order of their keys and compared, value by value. If the secret key is given,
// the audit log is verified. Rows are streamed, so memory does not grow with the tables.
//
// A database's own package opens, migrates and claims it (Location). The caller locks directories.
package storecopy
