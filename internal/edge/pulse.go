package edge

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	beatEvery = 250 * time.Millisecond
	// standstill is how long no beat means that the process stood still, as when it was suspended or
	// its machine was. It then knows nothing of what was revoked meanwhile.
	standstill = 2 * time.Second
	wakeTime   = 2 * time.Second // how long requests wait for the feed afterwards
)

// pulse holds requests back after the process stood still, until it has read the change feed.
type pulse struct {
	now func() time.Time
	// read returns once the feed was read to its end by a try that began after a time, or failed.
	read func(ctx context.Context, after time.Time)

	last  atomic.Int64                  // beat, in Unix nanoseconds: the other clock may stand still as well
	awake atomic.Pointer[chan struct{}] // nil: it is
}

// run beats until ctx is done.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		p.stood()
		p.last.Store(p.now().UnixNano())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stood returns what to wait for since the process stood still; nil: it did not.
func (p *pulse) stood() *chan struct{} {
	if awake := p.awake.Load(); awake != nil {
		return awake
	}
	now, was := p.now(), p.last.Load()
	if was == 0 || now.UnixNano()-was <= int64(standstill) {
		return nil
	}
	awake := make(chan struct{})
	if !p.awake.CompareAndSwap(nil, &awake) {
		return p.awake.Load()
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), wakeTime)
		defer cancel()
		p.read(ctx, now)
		p.last.Store(p.now().UnixNano())
		p.awake.Store(nil)
		close(awake)
	}()
	return &awake
}

// wait returns once a request may rely on what the node knows.
func (p *pulse) wait(ctx context.Context) {
	if awake := p.stood(); awake != nil {
		select {
		case <-*awake:
		case <-ctx.Done():
		}
	}
}
