// Package external leads orgs to instances that somebody else runs: at addresses that the operator
// states, by org.
//
// It starts and stops nothing, and keeps nothing. An instance "runs" for as long as the config
// states its address; Ensure says whether it answers, and health checks tell when it no longer
// does. To stop one is only to lead nobody there.
//
// An address belongs to the ID of an org and not to its slug: a slug can be given to another org,
// which would then get the instance with its data. What a name leads to is judged when it is
// dialled, by internal/sockets: no metadata service, and none of this server's own listeners.
// Private networks are what the operator asks for.
//
// A port can be another server's tomorrow. So a TCP address is taken only over TLS, which says who
// listens there, or when the operator says that what listens there checks assertions: the app, or
// the agent in front of it.
package external
