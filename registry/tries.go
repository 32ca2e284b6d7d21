package registry

import (
	"context"
	"sync"
	"time"
)

// tries lets others wait for the end of a try.
type tries struct {
	mu    sync.Mutex
	began time.Time // the last one that ended
	next  chan struct{}
}

// ended tells of a try that began at a time.
func (t *tries) ended(began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = began
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}

// wait returns once a try has ended that began at a time or later, or ctx has.
func (t *tries) wait(ctx context.Context, after time.Time) {
	for {
		t.mu.Lock()
		if !t.began.Before(after) {
			t.mu.Unlock()
			return
		}
		if t.next == nil {
			t.next = make(chan struct{})
		}
		next := t.next
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}
