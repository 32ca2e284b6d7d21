// Package postgres is the registry in a PostgreSQL database, over pgx and database/sql. The rules are
// in sqlstore.
//
// Transactions run under READ COMMITTED. Recording ones first lock the row of feed_head, so that they
// run one after another; atomic ones take no lock. What changes a row whatever happens is sent with
// the next statement or the commit, since others wait for each round trip (see conn). Reads have a pool of their own, whose connections
// cannot write. The server ends a transaction whose process stands still, or whose machine is gone,
// so that nobody waits for it for long (see session).
//
// One control plane at a time uses a database. It holds an advisory lock in a session of its own (see
// claim), which ends with the process. While it does not hold the lock, every method returns an
// error. The same session listens for changes of the feed.
//
// Migrations have the numbers of SQLite's. One process runs them, under another lock, and others wait.
package postgres
