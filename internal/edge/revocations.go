package edge

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Revocations remembers what the change feed said about sessions,
// memberships, and what orgs ask of a sign-in, for as long as a token could still be shown. It implements
// registry.FeedHandler, and cuts exchanges in flight.
type Revocations struct {
	now     func() time.Time
	streams *Streams

	mu       sync.RWMutex
	sessions map[registry.SessionID]time.Time
	members  map[memberKey]noted
	orgs     map[registry.OrgID]noted
	users    map[registry.UserID]noted // whose name or address may have changed, by number in the feed
	told     int64                     // the last of those numbers
	resets   uint64                    // how often what was read before must be renewed
	gap      uint64                    // resets at the last gap: nobody knows what was missed there
	swept    time.Time

	// epoch rises with each change, after it counts and before what is open is closed:
	// who registers a stream and sees another epoch than at first must judge again.
	epoch atomic.Uint64
}

// noted is the version of something that changed. Tokens are compared with it by number, not by
// time: a clock that is set back would make old ones new.
type noted struct {
	version int64
	at      time.Time // when we heard of it, for forgetting it
	// settled: changes were lost since, and what the registry says now counts, also if it is older.
	settled bool
}

func (n noted) next(version int64, at time.Time) noted {
	if !n.settled {
		version = max(version, n.version)
	}
	return noted{version: version, at: at}
}

func (n noted) lacks(version int64) bool { return version < n.version && !n.settled }

type memberKey struct {
	org  registry.OrgID
	user registry.UserID
}

// RevocationMemory is how long a change matters: the longest life of a token with the largest grace.
const RevocationMemory = 26 * time.Hour

func newRevocations(now func() time.Time, s *Streams) *Revocations {
	return &Revocations{now: now, streams: s, sessions: map[registry.SessionID]time.Time{}, members: map[memberKey]noted{}, orgs: map[registry.OrgID]noted{}, users: map[registry.UserID]noted{}, swept: now()}
}

// Apply implements registry.FeedHandler.
func (v *Revocations) Apply(c registry.Change) {
	switch c.Kind {
	case registry.ChangeSessionRevoked, registry.ChangeRunnerRevoked:
		v.mu.Lock()
		v.sessions[c.SessionID] = v.now()
		v.mu.Unlock()
		v.epoch.Add(1)
		v.streams.closeSession(c.SessionID, farewell{closeUnauthorized, "signed out"})
	case registry.ChangeRunnerDisconnected:
		v.epoch.Add(1)
		v.streams.closeSession(c.SessionID, farewell{closeRestart, "disconnected"})
	case registry.ChangeMemberChanged, registry.ChangeMemberRemoved:
		v.mu.Lock()
		k := memberKey{c.OrgID, c.UserID}
		v.members[k] = v.members[k].next(c.Version, v.now())
		v.mu.Unlock()
		v.epoch.Add(1)
		v.streams.closeOrg(c.OrgID, func(k streamKey) bool { return k.user == c.UserID }, farewell{closeUnauthorized, "membership changed"})
	case registry.ChangeOrgSignIn: // who still may comes back at once
		v.mu.Lock()
		v.orgs[c.OrgID] = v.orgs[c.OrgID].next(c.Version, v.now())
		v.mu.Unlock()
		v.epoch.Add(1)
		v.streams.closeOrg(c.OrgID, func(streamKey) bool { return true }, farewell{closeUnauthorized, "the org asks for another sign-in"})
	case registry.ChangeUserChanged: // it ends nothing: see outdated
		v.mu.Lock()
		v.users[c.UserID], v.told = noted{version: c.Seq, at: v.now()}, c.Seq
		v.mu.Unlock()
	case registry.ChangeKeyRevoked: // the rings have been read before
		v.epoch.Add(1)
		v.streams.closeAll(farewell{closeUnauthorized, "signed out"})
	case registry.ChangeHistoryLost: // what could be repeated was repeated before
		v.settle()
	case registry.ChangeOrgSuspended, registry.ChangeOrgDeleting: // the Directory has heard before
		v.epoch.Add(1)
		v.streams.closeOrg(c.OrgID, func(streamKey) bool { return true }, farewell{closeUnauthorized, "org closed"})
	}
	v.sweep()
}

// Reset implements registry.FeedHandler: what was missed is unknown, so every session is read
// again, and nothing that is open goes on.
func (v *Revocations) Reset() {
	v.renew(true)
	v.streams.closeAll(farewell{closeRestart, "reconnect"})
}

// renew makes every session be read again. gap: so is what is on its way.
func (v *Revocations) renew(gap bool) {
	v.mu.Lock()
	v.resets++
	if gap {
		v.gap = v.resets
	}
	v.users, v.told = map[registry.UserID]noted{}, 0 // the numbers may begin again
	v.mu.Unlock()
	v.epoch.Add(1)
}

// Lost implements registry.LossHandler. What the lost changes took away stays taken away: sessions that
// they ended for as long as tokens live, others until the control plane has noted the loss. What is open
// continues if they did not concern it.
func (v *Revocations) Lost(l registry.LostHistory) {
	if l.Noted || !slices.ContainsFunc(l.Changes, func(c registry.Change) bool { return c.Version > 0 }) {
		v.settle()
	}
	if !l.Replaced {
		v.Reset()
		return
	}
	v.renew(false)
	v.streams.close(concerned(l.Changes), farewell{closeRestart, "reconnect"})
}

// concerned tells the exchanges that changes may have let in.
func concerned(changes []registry.Change) func(streamKey) bool {
	all, orgs, users := false, map[registry.OrgID]bool{}, map[registry.UserID]bool{}
	sessions := map[registry.SessionID]bool{}
	for _, c := range changes {
		switch {
		case c.SessionID != "":
			sessions[c.SessionID] = true
		case c.UserID != "":
			users[c.UserID] = true
		case c.OrgID != "":
			orgs[c.OrgID] = true
		case strings.HasPrefix(string(c.Kind), "key."): // it may have signed what let them in
			all = true
		}
	}
	return func(k streamKey) bool { return all || orgs[k.org] || users[k.user] || sessions[k.session] }
}

// settle makes what the registry says count again.
func (v *Revocations) settle() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k, n := range v.members {
		n.settled = true
		v.members[k] = n
	}
	for k, n := range v.orgs {
		n.settled = true
		v.orgs[k] = n
	}
}

// behind reports whether what the registry says of a session is older than what it said before: it was
// read just before a change, or the registry has lost that.
func (v *Revocations) behind(c *token.SessionClaims) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.members[memberKey{c.OrgID, c.Subject}].lacks(c.Version) || v.orgs[c.OrgID].lacks(c.OrgVersion)
}

// ended reports whether something that is known has changed for a session since it was read, or may
// have in a gap. read is as for judge.
func (v *Revocations) ended(c *token.SessionClaims, read uint64) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, gone := v.sessions[c.SessionID]
	return gone || v.older(c) || read < v.gap
}

// older reports whether something changed for a session since it was read. v.mu is held.
func (v *Revocations) older(c *token.SessionClaims) bool {
	return c.Version < v.members[memberKey{c.OrgID, c.Subject}].version || c.OrgVersion < v.orgs[c.OrgID].version
}

// gaps is how often everything had to be read again so far.
func (v *Revocations) gaps() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.resets
}

// judge says whether a session is gone, or must be read again from the registry because something
// about it changed. read is how many gaps the feed had had when it was read from there; 0 when
// that is unknown.
func (v *Revocations) judge(c *token.SessionClaims, read uint64) (must, gone bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if _, ok := v.sessions[c.SessionID]; ok {
		return true, true
	}
	return v.older(c) || read < v.resets, false
}

// heard is the number of the last change of an account. What is read later is as new as it.
func (v *Revocations) heard() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.told
}

// outdated says whether what a session says about its account may have changed. heard is from before
// it was read from the registry; 0 when that is unknown. Unlike what judge says, it makes nothing
// doubtful: while nobody can be asked, the old name will do.
func (v *Revocations) outdated(user registry.UserID, heard int64) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return heard < v.users[user].version
}

func (v *Revocations) sweep() {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.swept) < time.Minute {
		return
	}
	v.swept = now
	for k, at := range v.sessions {
		if now.Sub(at) > RevocationMemory {
			delete(v.sessions, k)
		}
	}
	for k, n := range v.orgs {
		if now.Sub(n.at) > RevocationMemory {
			delete(v.orgs, k)
		}
	}
	for k, n := range v.members {
		if now.Sub(n.at) > RevocationMemory {
			delete(v.members, k)
		}
	}
	for k, n := range v.users {
		if now.Sub(n.at) > RevocationMemory {
			delete(v.users, k)
		}
	}
}
