package identity

import (
	"context"
	"sync"
	"time"
)

// localLimiter is the Limiter in the memory of this process.
type localLimiter struct {
	now func() time.Time

	mu sync.Mutex
	of map[string]*buckets[string] // by the name of the limit
}

func newLocalLimiter(now func() time.Time) *localLimiter {
	return &localLimiter{now: now, of: map[string]*buckets[string]{}}
}

// buckets returns those of a limit. l.mu is locked.
func (l *localLimiter) buckets(of *Limit) *buckets[string] {
	b, ok := l.of[of.Name]
	if !ok {
		b = newBuckets[string](allowance{of.Every, of.Burst}, of.used)
		l.of[of.Name] = b
	}
	return b
}

// Take implements Limiter.
func (l *localLimiter) Take(_ context.Context, stages ...[]Bucket) (empty *Limit, _ error) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stage := range stages {
		for _, b := range stage {
			if !l.buckets(b.Limit).has(now, b.Key) {
				return b.Limit, nil
			}
		}
		for _, b := range stage {
			l.buckets(b.Limit).take(now, b.Key)
		}
	}
	return nil, nil
}

// Give implements Limiter.
func (l *localLimiter) Give(_ context.Context, list []Bucket) error {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range list {
		l.buckets(b.Limit).give(now, b.Key)
	}
	return nil
}

// Left implements Limiter.
func (l *localLimiter) Left(_ context.Context, b Bucket) (float64, error) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets(b.Limit).left(now, b.Key), nil
}
