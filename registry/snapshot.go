package registry

import "time"

// Snapshot is the state of the registry that a gateway needs to go on without
// it: what a copy on disk was true for, and what it holds beside the routes.
type Snapshot struct {
	Seq     int64     // the last change that is in it
	Contact time.Time // when it was last known to be true
	Keys    []Key     // sealed, of every ring
	Revoked []Change  // for the sessions and members that changed of late, oldest first
}

// Matters reports whether a session of before the change must not pass after it without being read again.
func (c *Change) Matters() bool {
	switch c.Kind {
	case ChangeSessionRevoked, ChangeRunnerRevoked, ChangeMemberChanged, ChangeMemberRemoved, ChangeOrgSignIn:
		return true
	}
	return false
}
