// Package usage counts the requests of orgs and keeps their recent history, so
// that the console has charts without Prometheus.
//
// The gateway counts into atomics; every 10 seconds they are collected into
// rings in memory (one hour, for the platform and for the orgs in use), every
// 10 minutes into the store (one week). Memory and rows are bounded: an org
// without requests costs nothing, and the least used rings go first.
//
// It is a picture for people, not an account: what was counted since the last
// collection is lost with the process.
package usage
