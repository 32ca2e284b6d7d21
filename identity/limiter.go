package identity

import (
	"context"
	"slices"
	"time"
)

// Limit is how often something may be done: Burst times at once, then once in Every. It is a token
// bucket for each key.
type Limit struct {
	Name  string // unique among all limits, such as password/network/24
	Every time.Duration
	Burst int

	reason string    // as a refusal by it is counted
	used   allowance // how many of its buckets are used at most: it bounds a memory that holds each
}

// Bucket is one bucket of a limit. Key is whose it is, in at most 48 bytes of any value. It holds
// no text of a person's.
type Bucket struct {
	Limit *Limit
	Key   string
}

// Limiter keeps the buckets of limits. What has no bucket has a full one; a bucket that is full
// again can be forgotten. It is safe for concurrent use.
//
// An implementation can be shared by several processes, so that they limit together. It must answer
// in a short, bounded time, or with an error.
type Limiter interface {
	// Take takes a token from each bucket of the first stage, and then from each of the next. A
	// stage with an empty bucket takes nothing, and ends it: Take returns that bucket's limit, the
	// first if there are several, and what earlier stages took stays taken. It returns nil when all
	// passed. Each stage is atomic.
	Take(ctx context.Context, stages ...[]Bucket) (empty *Limit, err error)
	// Give gives a token back to each bucket that is not full.
	Give(ctx context.Context, buckets []Bucket) error
	// Left returns how many tokens a bucket has, with what has come in of the next.
	Left(ctx context.Context, b Bucket) (float64, error)
}

// sharedAway is how often the log says that the shared limiter is away.
var sharedAway = &Limit{
	Name: "log/shared_limiter", Every: time.Minute, Burst: 1, used: allowance{time.Minute, 1},
}

// limiter is the shared one, or this process's where there is none.
func (s *Service) limiter() Limiter {
	if s.Shared != nil {
		if shared := s.Shared(); shared != nil {
			return shared
		}
	}
	return s.local
}

// take takes from buckets as Limiter's Take does. It returns the limit that refuses, or how to give
// the tokens back. While the shared limiter is away, the buckets of this process decide: they begin
// full, so what is allowed in all grows by the number of processes, and no further.
func (s *Service) take(ctx context.Context, stages ...[]Bucket) (refused *Limit, back func()) {
	from := s.limiter()
	refused, err := from.Take(ctx, stages...)
	if err != nil {
		s.noteAway(ctx, err)
		from = s.local
		refused, _ = s.local.Take(ctx, stages...) // never fails
	}
	if refused != nil {
		return refused, nil
	}
	return nil, func() {
		after := context.WithoutCancel(ctx) // the client may have left
		if err := from.Give(after, slices.Concat(stages...)); err != nil {
			s.noteAway(after, err)
		}
	}
}

// left is Limiter's Left, likewise.
func (s *Service) left(ctx context.Context, b Bucket) float64 {
	left, err := s.limiter().Left(ctx, b)
	if err != nil {
		s.noteAway(ctx, err)
		left, _ = s.local.Left(ctx, b) // never fails
	}
	return left
}

func (s *Service) noteAway(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // the client left
	}
	if often, _ := s.local.Take(ctx, []Bucket{{Limit: sharedAway}}); often == nil {
		s.log.Warn("shared limits unavailable, counting in this process", "error", err)
	}
}
