package provision

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// queue holds the orgs that want a look, now or later. At most one worker of
// this reconciler has an org; one that is asked for meanwhile stays queued.
type queue struct {
	mu      sync.Mutex
	pending map[registry.OrgID]*registry.Work // what was read of it just now, or nil
	later   map[registry.OrgID]time.Time
	busy    map[registry.OrgID]chan struct{} // told when the org is asked for
	wake    chan struct{}
}

func newQueue() *queue {
	return &queue{
		pending: map[registry.OrgID]*registry.Work{}, later: map[registry.OrgID]time.Time{},
		busy: map[registry.OrgID]chan struct{}{}, wake: make(chan struct{}, 1),
	}
}

// add asks for a look now. read is what the store says, when that was read just now.
func (q *queue) add(org registry.OrgID, read *registry.Work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if was, queued := q.pending[org]; !queued || was != nil {
		q.pending[org] = read
	}
	if asked := q.busy[org]; asked != nil && read == nil {
		signal(asked)
	}
	signal(q.wake)
}

// addAt asks for a look at a time. A later call takes the place of an earlier one.
func (q *queue) addAt(org registry.OrgID, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.later[org] = at
	signal(q.wake)
}

// take returns the orgs to look at now, and gives them to the caller until done.
func (q *queue) take(now time.Time) map[registry.OrgID]*registry.Work {
	q.mu.Lock()
	defer q.mu.Unlock()
	for org, at := range q.later {
		if !now.Before(at) {
			delete(q.later, org)
			q.pending[org] = nil
		}
	}
	out := map[registry.OrgID]*registry.Work{}
	for org, w := range q.pending {
		if q.busy[org] == nil {
			out[org] = w
			delete(q.pending, org)
			q.busy[org] = make(chan struct{}, 1)
		}
	}
	return out
}

// next is when the first of the later ones is due.
func (q *queue) next() (first time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, at := range q.later {
		if !ok || at.Before(first) {
			first, ok = at, true
		}
	}
	return first, ok
}

// asked is told when somebody asks for an org that the caller has.
func (q *queue) asked(org registry.OrgID) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy[org]
}

func (q *queue) done(org registry.OrgID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, org)
	if _, queued := q.pending[org]; queued {
		signal(q.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
