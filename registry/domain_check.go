package registry

import (
	"math/rand/v2"
	"time"
)

// How the records of verified domains are looked at. A record that is missing is warned of at the
// first look, and after DomainMisses looks, about a week, its domain counts no more.
const (
	DomainMisses = 3

	domainEvery  = 7 * 24 * time.Hour
	domainMissed = 3 * 24 * time.Hour // after a look that did not find it
	domainFailed = 6 * time.Hour      // after a look that told nothing: the DNS did not answer
	domainLease  = time.Hour          // of a look
)

// Look is what a look at a domain's record found.
type Look int

// The looks.
const (
	LookFailed  Look = iota // nothing: the DNS did not answer, or not in earnest
	LookFound               // the record
	LookMissing             // that there is no such record
)

// After returns when to look again: with jitter, so that looks spread.
func (l Look) After(now time.Time) time.Time {
	d := map[Look]time.Duration{LookFailed: domainFailed, LookFound: domainEvery, LookMissing: domainMissed}[l]
	return now.Add(d - d/20 + rand.N(d/10)) //nolint:gosec // no secret
}

// LookLease is until when a look that begins now keeps others from the same one.
func LookLease(now time.Time) time.Time { return now.Add(domainLease) }
