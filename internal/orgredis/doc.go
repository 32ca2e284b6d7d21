// Package orgredis gives orgs a user each on a Redis that their instances share, which is never the
// one of the control plane.
//
// A user may use keys and channels that begin with its org's prefix, and no command that tells of
// others or holds all of them up (rules.go). Its password is derived from the secret key for one
// generation of the instance, so nothing is stored, and an older generation's is void once the next
// one starts.
//
// Redis is brought to what the store says, over and over (sweep.go): after a restart without its
// users they are made again, and whatever a crash left is removed. Redis itself keeps a set of the
// orgs that have something there, so that keys outlive neither their user nor their org unseen.
//
// Redis has no quota for a user. One reader walks all keys at a bounded rate and adds up what each
// org uses (memory.go). An org over the limit may read and remove until it is below.
package orgredis
