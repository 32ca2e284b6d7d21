// Package usage keeps the recent history of orgs' requests, so that the console has charts without
// Prometheus.
//
// Gateways count, and report every 10 seconds. Reports go into rings in memory (one hour, for the
// platform and for the orgs in use), and every 10 minutes into the store (one week). Memory and rows
// are bounded: an org without requests costs nothing, and the least used rings go first.
//
// Each of several nodes tells the others what it counted (see internal/control), so all show the same.
// It stores its own alone.
//
// It is a picture for people, not an account: what was counted since the last write is lost with the
// process.
package usage
