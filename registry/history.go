package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// LostHistory are changes that a feed had and has no more: the database is as it was before them, as
// after a failover to a standby that had not received them.
type LostHistory struct {
	First, Last int64 // numbers; First is the oldest that is known to be lost
	// Changes are those of them that are known, oldest first.
	Changes []Change
	// Noted: the feed says already that changes were lost there (ChangeHistoryLost).
	Noted bool
	// Replaced: Changes are all that was lost. What the feed has in their place is told next.
	Replaced bool
}

// Kinds names the kinds of the changes that are known, each with how many there are, in order.
func (l LostHistory) Kinds() []string {
	counts := map[ChangeKind]int{}
	for _, c := range l.Changes {
		counts[c.Kind]++
	}
	kinds := []string{}
	for kind, n := range counts {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(kinds)
	return kinds
}

// String says which changes they are, for people.
func (l LostHistory) String() string {
	text := fmt.Sprintf("changes %d to %d", l.First, l.Last)
	if len(l.Changes) > 0 {
		text += ": " + strings.Join(l.Kinds(), ", ")
	}
	return text
}

// HistoryStore repairs what a database lost.
type HistoryStore interface {
	// NoteLostHistory writes to feed and audit log that changes were lost (ChangeHistoryLost), once for
	// each loss. In the same transaction it repeats those that took access away: sessions and runners
	// that were revoked, members who were removed, accounts that were disabled. For the system.
	NoteLostHistory(ctx context.Context, a Actor, l LostHistory) error
}

// LossHandler is a FeedHandler that is told what the feed lost, in place of Reset.
type LossHandler interface {
	Lost(l LostHistory)
}
