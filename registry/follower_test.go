package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type fakeFeed struct {
	mu      sync.Mutex
	changes []Change
	head    int64
	changed chan struct{}
	away    bool
}

func (f *fakeFeed) Changes(_ context.Context, after int64, limit int) ([]Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errors.New("away")
	}
	var out []Change
	for _, c := range f.changes {
		if c.Seq > after && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func (f *fakeFeed) Head(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return 0, errors.New("away")
	}
	return f.head, nil
}

// cut takes away all changes but the first n, and their numbers.
func (f *fakeFeed) cut(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes, f.head = f.changes[:n], int64(n)
}

// retain keeps the newest n changes alone.
func (f *fakeFeed) retain(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = f.changes[len(f.changes)-n:]
}

func (f *fakeFeed) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *fakeFeed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeFeed) WokenBy() WakeSource { return WakeNotify }

// append adds changes with the next numbers, as of now, and wakes.
func (f *fakeFeed) append(changes []Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changes {
		f.head++
		c.Seq, c.At = f.head, time.Now()
		f.changes = append(f.changes, c)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeFeed) add(wake bool, seqs ...int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range seqs {
		f.changes = append(f.changes, Change{Seq: s, At: time.Now()})
		f.head = s
	}
	if wake {
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

type seen struct {
	mu     sync.Mutex
	seqs   []int64
	resets int
}

func (s *seen) Apply(c Change) { s.mu.Lock(); s.seqs = append(s.seqs, c.Seq); s.mu.Unlock() }
func (s *seen) Reset()         { s.mu.Lock(); s.resets++; s.mu.Unlock() }

func (s *seen) want(t *testing.T, resets int, seqs ...int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.seqs, seqs) || s.resets != resets {
		t.Fatalf("got %v and %d resets, want %v and %d", s.seqs, s.resets, seqs, resets)
	}
}

// sourced notes what told of each change.
type sourced struct {
	f  *Follower
	by []WakeSource
}

func (s *sourced) Apply(Change) { s.by = append(s.by, s.f.Source()) }
func (s *sourced) Reset()       {}

// TestFollowerSource: handlers learn whether somebody told of a change, or the poll found it.
func TestFollowerSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed, s := &fakeFeed{changed: make(chan struct{})}, &sourced{}
		s.f = NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.f.Run(ctx) }()
		synctest.Wait()
		feed.add(true, 1)
		synctest.Wait()
		feed.add(false, 2)
		time.Sleep(pollEvery) // time of the bubble
		synctest.Wait()
		feed.add(true, 3)
		synctest.Wait()
		stop()
		<-done
		if want := []WakeSource{WakeNotify, WakePoll, WakeNotify}; !slices.Equal(s.by, want) {
			t.Errorf("%v, want %v", s.by, want)
		}
	})
}

// TestFollower: every change once and in order; at once when woken, within a second
// when not; a gap starts the handlers over; an outage delays and loses nothing.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed, s := &fakeFeed{changed: make(chan struct{})}, &seen{}
		f := NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
		if err := f.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		synctest.Wait()

		began := time.Now()
		feed.add(true, 1, 2)
		synctest.Wait()
		s.want(t, 0, 1, 2)
		if time.Since(began) != 0 {
			t.Error("a wake-up waits")
		}
		feed.add(false, 3)
		time.Sleep(pollEvery) // time of the bubble
		synctest.Wait()
		s.want(t, 0, 1, 2, 3)

		feed.setAway(true)
		contact := f.Contact()
		feed.add(true, 4)
		time.Sleep(5 * pollEvery) // time of the bubble
		synctest.Wait()
		s.want(t, 0, 1, 2, 3)
		if f.Contact().After(contact) {
			t.Error("an outage counts as contact")
		}
		feed.setAway(false)
		time.Sleep(pollEvery) // time of the bubble
		synctest.Wait()
		s.want(t, 0, 1, 2, 3, 4)
		if !f.Contact().After(contact) {
			t.Error("contact is not noted")
		}

		feed.add(true, 6)
		synctest.Wait()
		s.want(t, 1, 1, 2, 3, 4, 6)
		many := make([]int64, 2*pollLimit)
		for i := range many {
			many[i] = int64(7 + i)
		}
		feed.add(true, many...)
		synctest.Wait()
		s.want(t, 1, append([]int64{1, 2, 3, 4, 6}, many...)...)
		stop()
		<-done
	})
}

// TestOverlappingHistory: a failover that lost commits leaves a feed whose numbers are used a second
// time. Followers of the lost ones start over, and are told what is in their place.
func TestOverlappingHistory(t *testing.T) {
	for name, c := range map[string]struct {
		cut   int     // changes that are left of four
		grown []int64 // what is added before the follower reads again
		reset bool
	}{
		"cut":                    {2, nil, true},
		"cut, grown to less":     {2, []int64{3}, true},
		"cut, grown to the same": {2, []int64{3, 4}, true},
		"cut, grown past it":     {2, []int64{3, 4, 5}, true},
		"grown":                  {4, []int64{5}, false},
		"unchanged":              {4, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				feed, s := &fakeFeed{changed: make(chan struct{})}, &seen{}
				feed.add(false, 1)
				f := NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); f.Run(ctx) }()
				synctest.Wait()
				feed.add(true, 2, 3, 4)
				synctest.Wait()
				s.want(t, 0, 2, 3, 4)

				time.Sleep(pollEvery / 2) // time of the bubble: later changes have another time
				feed.cut(c.cut)
				feed.add(true, c.grown...)
				synctest.Wait()
				told := append([]int64{2, 3, 4}, c.grown...)
				s.want(t, map[bool]int{true: 1}[c.reset], told...)
				next := int64(c.cut+len(c.grown)) + 1
				feed.add(true, next)
				synctest.Wait()
				s.want(t, map[bool]int{true: 1}[c.reset], append(told, next)...)
				stop()
				<-done
			})
		})
	}
}

// TestRetainedFeed: a feed whose old changes were removed is still the same.
func TestRetainedFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed, s := &fakeFeed{changed: make(chan struct{})}, &seen{}
		feed.add(false, 1, 2)
		f := NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		synctest.Wait()
		feed.retain(0)
		time.Sleep(5 * pollEvery) // time of the bubble
		synctest.Wait()
		s.want(t, 0)
		stop()
		<-done
	})
}

// TestResume: a reader that goes on from a copy is told what came since, once the feed answers. When
// that has another history, as after a backup was put back, it starts over.
func TestResume(t *testing.T) {
	for name, c := range map[string]struct {
		at     int64 // of the copy
		begun  bool  // before, in vain
		resets int
		told   []int64
	}{
		"behind":                              {2, false, 0, []int64{3, 4}},
		"level":                               {4, false, 0, nil},
		"another history":                     {7, false, 1, nil},
		"another history, after it had begun": {7, true, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				feed, s := &fakeFeed{changed: make(chan struct{}), away: true}, &seen{}
				feed.add(false, 1, 2, 3, 4)
				f := NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
				if c.begun {
					feed.setAway(false)
					if err := f.Begin(t.Context()); err != nil {
						t.Fatal(err)
					}
					feed.setAway(true)
				}
				contact := time.Now().Add(-time.Minute)
				f.Resume(c.at, contact)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); f.Run(ctx) }()
				time.Sleep(5 * pollEvery) // time of the bubble
				synctest.Wait()
				s.want(t, 0)
				if !f.Contact().Equal(contact) || f.hasBegun() {
					t.Error("it was not in contact")
				}
				feed.setAway(false)
				time.Sleep(pollEvery) // time of the bubble
				synctest.Wait()
				s.want(t, c.resets, c.told...)
				if f.Seq() != 4 || !f.hasBegun() {
					t.Errorf("it is at %d", f.Seq())
				}
				stop()
				<-done
			})
		})
	}
}

// losing is a handler that is told what was lost.
type losing struct {
	seen
	lost []LostHistory
}

func (s *losing) Lost(l LostHistory) { s.mu.Lock(); s.lost = append(s.lost, l); s.mu.Unlock() }

func numbers(first int64, n int) (list []int64) {
	for i := range n {
		list = append(list, first+int64(i))
	}
	return list
}

// TestLostHistory: a follower says what a feed does not have any more of what it was told: as much as it
// remembers, and whether somebody has noted that already. Then it tells what the feed has in their place, unless more may be lost. What retention
// removed was not lost.
func TestLostHistory(t *testing.T) {
	kinds := func(n int, kind ChangeKind) (list []Change) {
		for range n {
			list = append(list, Change{Kind: kind})
		}
		return list
	}
	for name, c := range map[string]struct {
		told   []Change // from 2 on
		cut    int      // changes that are left
		grown  []Change // what comes then, before the follower reads again
		retain int      // how many retention leaves of it all; 0: all
		first  int64    // 0: nothing was lost
		want   string
		noted  bool
		over   bool // it starts over from the end
	}{
		"cut": {told: kinds(3, ChangeMemberRemoved), cut: 2, first: 3, want: "changes 3 to 4: member.removed 2"},
		"overlapping": {
			told: append(kinds(2, ChangeOrgUpdated), kinds(2, ChangeSessionRevoked)...), cut: 3,
			grown: kinds(9, ChangeOrgUpdated),
			first: 4, want: "changes 4 to 5: session.revoked 2",
		},
		"noted": {
			told: kinds(3, ChangeOrgUpdated), cut: 2, grown: append(kinds(1, ChangeOrgUpdated), Change{Kind: ChangeHistoryLost}),
			first: 3, want: "changes 3 to 4: org.updated 2", noted: true,
		},
		"noted before": {
			told: append([]Change{{Kind: ChangeHistoryLost}}, kinds(3, ChangeOrgUpdated)...), cut: 3,
			first: 4, want: "changes 4 to 5: org.updated 2",
		},
		"more than a page": {
			told: kinds(pollLimit+10, ChangeOrgUpdated), cut: 3, grown: kinds(2*pollLimit, ChangeOrgRenamed),
			first: 4, want: "changes 4 to 511: org.updated 508",
		},
		"more than is remembered": {
			told: kinds(3*recentMax, ChangeOrgUpdated), cut: 1, over: true,
			first: 2, want: "changes 2 to 3001: org.updated 1001",
		},
		"retention": {told: kinds(4, ChangeOrgUpdated), cut: 5, grown: kinds(1, ChangeOrgUpdated), retain: 2},
		"retention up to a loss": {
			told: kinds(4, ChangeOrgUpdated), cut: 4, grown: kinds(2, ChangeOrgRenamed), retain: 2, over: true,
			first: 5, want: "changes 5 to 5: org.updated 1",
		},
		"retention and a loss": {
			told: kinds(4, ChangeOrgUpdated), cut: 4, grown: kinds(2, ChangeOrgRenamed), retain: 3,
			first: 5, want: "changes 5 to 5: org.updated 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				feed, s := &fakeFeed{changed: make(chan struct{})}, &losing{}
				feed.add(false, 1)
				f := NewFollower(feed, slog.New(slog.DiscardHandler), time.Now, s)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); f.Run(ctx) }()
				synctest.Wait()
				feed.append(c.told)
				synctest.Wait()
				time.Sleep(pollEvery / 2) // time of the bubble: later changes have another time
				feed.setAway(true)
				feed.cut(c.cut)
				feed.append(c.grown)
				if c.retain > 0 {
					feed.retain(c.retain)
				}
				time.Sleep(pollEvery) // time of the bubble: while it is away, nothing is said
				if len(s.lost) != 0 || s.resets != 0 {
					t.Fatalf("%v", s.lost)
				}
				feed.setAway(false)
				time.Sleep(pollEvery) // time of the bubble
				stop()
				<-done
				switch {
				case c.first == 0 && len(s.lost) == 0 && s.resets == 0:
				case c.first == 0 || len(s.lost) != 1 || s.resets != 0:
					t.Fatalf("%v, %d resets", s.lost, s.resets)
				case s.lost[0].Replaced == c.over:
					t.Errorf("the others were told: %t", s.lost[0].Replaced)
				case !c.over && !slices.Equal(s.seqs[len(c.told):], numbers(c.first, len(c.grown))):
					t.Errorf("told %v", s.seqs)
				case s.lost[0].First != c.first || s.lost[0].String() != c.want || s.lost[0].Noted != c.noted:
					t.Errorf("%d, %s, noted %t", s.lost[0].First, s.lost[0], s.lost[0].Noted)
				}
			})
		})
	}
}
