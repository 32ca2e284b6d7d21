package registry

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// FeedSource is where changes come from.
type FeedSource interface {
	Changes(ctx context.Context, a Actor, after int64, limit int) ([]Change, error)
	Head(ctx context.Context, a Actor) (int64, error)
	Notifier
}

// Feed is the changes as one reader sees them.
type Feed interface {
	// Changes returns at most limit changes after a number, oldest first.
	Changes(ctx context.Context, after int64, limit int) ([]Change, error)
	// Head returns the number of the newest change.
	Head(ctx context.Context) (int64, error)
	Notifier
}

// FeedFor is a source's feed, read as an actor.
func FeedFor(s FeedSource, a Actor) Feed { return actorFeed{s, a} }

type actorFeed struct {
	source FeedSource
	actor  Actor
}

// Changes implements Feed.
func (f actorFeed) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	return f.source.Changes(ctx, f.actor, after, limit)
}

// Head implements Feed.
func (f actorFeed) Head(ctx context.Context) (int64, error) { return f.source.Head(ctx, f.actor) }

// Changed implements Feed.
func (f actorFeed) Changed() <-chan struct{} { return f.source.Changed() }

// WokenBy implements Feed.
func (f actorFeed) WokenBy() WakeSource { return f.source.WokenBy() }

// FeedHandler is told every change in order, or to start over. It must not block.
type FeedHandler interface {
	Apply(Change)
	Reset()
}

// Follower reads the change feed and tells its handlers. It is woken by the
// feed and polls every second besides; a gap makes the handlers start over.
type Follower struct {
	feed     Feed
	log      *slog.Logger
	now      func() time.Time
	handlers []FeedHandler
	recent   []Change      // the last that were applied or found, without gaps; see remember
	resumed  bool          // by Resume, before Begin
	begun    chan struct{} // closed when the feed has said where it is
	seq      atomic.Int64
	contact  atomic.Int64 // Unix nanoseconds: the handlers know everything of before
	tries    tries
	source   WakeSource // of the read that runs
}

const (
	pollEvery = time.Second
	pollLimit = 500

	// How many changes a follower remembers at least, to tell which of them a feed has lost.
	recentMax = 1000
)

// NewFollower makes a Follower of handlers. Start it with Begin, then Run; or with Resume, then Run.
func NewFollower(
	feed Feed, log *slog.Logger, now func() time.Time, handlers ...FeedHandler,
) *Follower {
	return &Follower{feed: feed, log: log, now: now, handlers: handlers, begun: make(chan struct{})}
}

// Begin sets the place to follow from: the newest change there is, or, after
// Resume, where that said. Run does it when it was not called or failed.
func (f *Follower) Begin(ctx context.Context) error {
	if f.hasBegun() {
		return nil
	}
	now := f.now()
	head, err := f.feed.Head(ctx)
	if err != nil {
		return err
	}
	switch seq := f.seq.Load(); {
	case !f.resumed:
		f.contact.Store(now.UnixNano())
		f.seq.Store(head)
	case head < seq: // another history, as after a backup was put back
		if err := f.startOver(ctx, head); err != nil {
			return err
		}
	}
	close(f.begun)
	return nil
}

// Begun is closed when the feed has said where it is, by Begin or Run.
func (f *Follower) Begun() <-chan struct{} { return f.begun }

func (f *Follower) hasBegun() bool {
	select {
	case <-f.begun:
		return true
	default:
		return false
	}
}

// Resume says what the handlers know while the feed is away: everything up to
// a change, and when that was so. Call it before Run.
func (f *Follower) Resume(seq int64, contact time.Time) {
	f.resumed, f.begun, f.recent = true, make(chan struct{}), nil
	f.seq.Store(seq)
	f.contact.Store(contact.UnixNano())
}

// startOver continues from where another history begins, or from its newest change where nobody knows.
func (f *Follower) startOver(ctx context.Context, head int64) error {
	lost, err := f.lost(ctx, head)
	if err != nil {
		return err
	}
	if lost.Last == 0 {
		f.log.Warn("change feed has a gap, starting over", "expected", f.seq.Load(), "got", head)
		f.reset()
	} else {
		f.log.Error("change feed lost changes, starting over",
			"first", lost.First, "last", lost.Last, "kinds", lost.Kinds())
		f.lose(lost)
	}
	if lost.Replaced {
		f.recent = f.recent[:len(f.recent)-len(lost.Changes)]
		f.seq.Store(lost.First - 1)
	} else {
		f.recent = nil
		f.seq.Store(head)
	}
	return nil
}

func (f *Follower) lose(l LostHistory) {
	for _, h := range f.handlers {
		if losing, ok := h.(LossHandler); ok {
			losing.Lost(l)
		} else {
			h.Reset()
		}
	}
}

// lost finds out what the feed does not have of what was applied. Last is 0 when that is nothing.
func (f *Follower) lost(ctx context.Context, head int64) (l LostHistory, err error) {
	seq := f.seq.Load()
	if head < seq {
		l.First, l.Last = head+1, seq
	}
	if len(f.recent) == 0 {
		return l, nil
	}
	there := map[int64]Change{}
	var oldest, noted int64
	for after, more := f.recent[0].Seq-1, true; more; {
		page, err := f.feed.Changes(ctx, after, pollLimit)
		if err != nil {
			return l, err
		}
		for _, c := range page {
			if oldest == 0 {
				oldest = c.Seq
			}
			if c.Seq <= seq {
				there[c.Seq] = c
			}
			if c.Kind == ChangeHistoryLost {
				noted = c.Seq
			}
			after = c.Seq
		}
		more = len(page) == pollLimit
	}
	for i, c := range f.recent {
		now, found := there[c.Seq]
		if found && same(c, now) || !found && c.Seq < oldest { // the latter: removed by retention
			continue
		}
		l.First, l.Last, l.Changes = c.Seq, seq, slices.Clone(f.recent[i:])
		if i == 0 {
			l.First = min(c.Seq, head+1)
		} else {
			_, l.Replaced = there[c.Seq-1]
		}
		l.Noted = noted >= l.First
		break
	}
	return l, nil
}

// remember keeps a change that follows the last one.
func (f *Follower) remember(c Change) {
	if n := len(f.recent); n > 0 && f.recent[n-1].Seq+1 != c.Seq {
		f.recent = nil
	}
	if len(f.recent) >= 2*recentMax {
		f.recent = append([]Change(nil), f.recent[recentMax:]...)
	}
	f.recent = append(f.recent, c)
}

// known reports whether a change is the one that was applied under its number, or nobody knows.
func (f *Follower) known(c Change) bool {
	n := len(f.recent)
	return n == 0 || f.recent[n-1].Seq != c.Seq || same(f.recent[n-1], c)
}

func (f *Follower) reset() {
	for _, h := range f.handlers {
		h.Reset()
	}
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	f.source = WakePoll
	for {
		woken := f.feed.Changed() // taken before reading: a commit in between is not missed
		began := f.now()
		if err := f.read(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("change feed is away", "error", err)
		}
		f.tries.ended(began)
		select {
		case <-ctx.Done():
			return
		case <-woken:
			f.source = f.feed.WokenBy()
		case <-tick.C:
			f.source = WakePoll
		}
	}
}

func (f *Follower) read(ctx context.Context) error {
	if err := f.Begin(ctx); err != nil {
		return err
	}
	for {
		at, seq := f.now(), f.seq.Load()
		// From the last change on: when the history is another one, as after a failover that lost
		// commits, its numbers may overlap.
		changes, err := f.feed.Changes(ctx, max(seq-1, 0), pollLimit)
		if err != nil {
			return err
		}
		atEnd := len(changes) < pollLimit
		if seq > 0 {
			found := len(changes) > 0 && changes[0].Seq == seq
			switch {
			case !found || !f.known(changes[0]):
				head, err := f.feed.Head(ctx)
				if err != nil {
					return err
				}
				if found || head != seq { // not merely removed by retention
					if err := f.startOver(ctx, head); err != nil {
						return err
					}
					continue
				}
			default:
				if len(f.recent) == 0 {
					f.remember(changes[0])
				}
				changes = changes[1:]
			}
		}
		f.apply(changes)
		if atEnd {
			f.contact.Store(at.UnixNano())
			return nil
		}
	}
}

func (f *Follower) apply(changes []Change) {
	for _, c := range changes {
		if c.Seq != f.seq.Load()+1 {
			f.log.Warn("change feed has a gap, starting over", "expected", f.seq.Load()+1, "got", c.Seq)
			f.reset()
		}
		for _, h := range f.handlers {
			h.Apply(c)
		}
		f.remember(c)
		f.seq.Store(c.Seq)
	}
}

// same reports whether two reads found the same change.
func same(a, b Change) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && a == b
}

// Tried returns once a try to read the feed to its end has ended, well or not, that began after a time,
// or ctx has.
func (f *Follower) Tried(ctx context.Context, after time.Time) { f.tries.wait(ctx, after) }

// Seq is the last change that the handlers were told.
func (f *Follower) Seq() int64 { return f.seq.Load() }

// Contact is when the feed was last read to its end: the handlers know everything of before.
func (f *Follower) Contact() time.Time { return time.Unix(0, f.contact.Load()) }

// Source is what made Run read the feed. Only handlers may ask, while they are told of a change.
func (f *Follower) Source() WakeSource { return f.source }
