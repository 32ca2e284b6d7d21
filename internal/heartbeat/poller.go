package heartbeat

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	defaultPatience = 2 * time.Second // with one agent
	// Asked at once: agents that answered last time or are new, and the others. Those that hang
	// have places of their own, so that they keep nobody waiting.
	places     = 256
	slowPlaces = 16
	steps      = 100 // of a round: it is spread over the time between two
)

// Sources of heartbeats.
const (
	SourcePoll = "poll"
	SourcePush = "push"
)

// Results of heartbeats.
const (
	ResultOK      = "ok"
	ResultFailed  = "failed"  // no answer, or none that can be read
	ResultRefused = "refused" // of another instance, or without its token
)

// Sources lists the sources.
func Sources() []string { return []string{SourcePoll, SourcePush} }

// Results lists the results.
func Results() []string { return []string{ResultOK, ResultFailed, ResultRefused} }

// Counter counts heartbeats by source and result.
type Counter func(source, result string)

// Poller asks the agents of instances how they are.
type Poller struct {
	Attended provision.Attended
	Serving  func() []provision.Ref
	Record   *Recorder
	Counted  Counter
	Every    time.Duration // 0: registry.HeartbeatEvery
	Patience time.Duration // with one agent; 0: 2 s

	mu   sync.Mutex
	mute map[provision.Ref]bool // has no agent
	slow map[provision.Ref]bool // did not answer last time
}

// Run asks until ctx is done.
func (p *Poller) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	every := cmp.Or(p.Every, registry.HeartbeatEvery)
	free := make(chan struct{}, places)
	slowFree := make(chan struct{}, slowPlaces)
	tick := time.NewTicker(max(every/steps, time.Millisecond))
	defer tick.Stop()
	for began, round, asked := time.Now(), p.round(), 0; ; {
		elapsed := time.Since(began)
		if asked == len(round) && elapsed >= every {
			began, round, asked, elapsed = time.Now(), p.round(), 0, 0
		}
		due := min(int(elapsed*time.Duration(len(round))/every)+1, len(round))
		for ; asked < due; asked++ {
			ref, to := round[asked], free
			if p.isSlow(ref) {
				to = slowFree
				if len(to) == cap(to) {
					continue // it has its turn in another round
				}
			}
			select {
			case <-ctx.Done():
				return
			case to <- struct{}{}:
			}
			wg.Go(func() {
				defer func() { <-to }()
				p.ask(ctx, ref)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round returns whom to ask in the next round, and forgets instances that are gone. Each is asked at
// about the same time of every round. Slow ones come last and in any order: not all may have a turn,
// and so each has one in the end.
func (p *Poller) round() []provision.Ref {
	p.mu.Lock()
	defer p.mu.Unlock()
	mute, slow := map[provision.Ref]bool{}, map[provision.Ref]bool{}
	var refs, last []provision.Ref
	for _, ref := range p.Serving() {
		if p.mute[ref] {
			mute[ref] = true
			continue
		}
		if p.slow[ref] {
			slow[ref] = true
			last = append(last, ref)
			continue
		}
		refs = append(refs, ref)
	}
	p.mute, p.slow = mute, slow
	slices.SortFunc(refs, func(a, b provision.Ref) int { return cmp.Compare(a.OrgID, b.OrgID) })
	rand.Shuffle(len(last), func(i, j int) { last[i], last[j] = last[j], last[i] })
	return append(refs, last...)
}

func (p *Poller) isSlow(ref provision.Ref) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow[ref]
}

func (p *Poller) ask(ctx context.Context, ref provision.Ref) {
	asking, cancel := context.WithTimeout(ctx, cmp.Or(p.Patience, defaultPatience))
	defer cancel()
	h, err := p.Attended.Heartbeat(asking, ref)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	delete(p.slow, ref)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		p.mute[ref] = true
		p.mu.Unlock()
		return
	case err != nil:
		p.slow[ref] = true
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.Counted(SourcePoll, ResultFailed)
	case h.OrgID != ref.OrgID || h.Generation != ref.Generation:
		p.Counted(SourcePoll, ResultRefused)
	default:
		p.Record.Add(h)
		p.Counted(SourcePoll, ResultOK)
	}
}
