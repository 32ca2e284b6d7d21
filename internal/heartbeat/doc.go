// Package heartbeat gets what instances say of themselves: version, health, use.
//
// Where the provider reaches an agent, the Poller asks each instance every 10 seconds. Instances that
// are elsewhere push to a Push, with a token that is derived from the installation's secret key and
// counts for one generation of one org. Both end in a Recorder, which keeps the last heartbeat of each
// instance and writes them together, once a second.
//
// A heartbeat is a claim of the org's. It is bounded, cleaned and shown; it never changes a route, a
// state or a limit, and it is in no feed.
package heartbeat
