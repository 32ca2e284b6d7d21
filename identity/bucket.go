package identity

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// allowance is how often something may be done: burst times at once, then once in every.
type allowance struct {
	every time.Duration
	burst int
}

// recovery is how long an empty bucket takes to be full again.
func (a allowance) recovery() time.Duration { return time.Duration(a.burst) * a.every }

// bucket is what is left of an allowance. golang.org/x/time/rate cannot give a token back later.
type bucket struct {
	left float64
	at   time.Time
}

// buckets holds one bucket for each key. A full bucket is the same as none.
type buckets[K comparable] struct {
	allowance
	size int
	of   *lru.Cache[K, bucket]
}

// newBuckets returns buckets of which at most so many are used a second, after a burst. That many
// fit into the memory before the first of them is full again, so no flood pushes out a limit that
// holds.
func newBuckets[K comparable](a allowance, use allowance) *buckets[K] {
	size := use.burst + int(a.recovery()/use.every) + 1
	of, _ := lru.New[K, bucket](size) // fails only for a size below 1
	return &buckets[K]{a, size, of}
}

// left returns how many tokens a key has. It remembers nothing.
func (b *buckets[K]) left(now time.Time, key K) float64 {
	v, ok := b.of.Peek(key)
	if !ok {
		return float64(b.burst)
	}
	since := max(0, now.Sub(v.at)) // a clock set back refills nothing
	return min(float64(b.burst), v.left+since.Seconds()/b.every.Seconds())
}

func (b *buckets[K]) has(now time.Time, key K) bool { return b.left(now, key) >= 1 }

func (b *buckets[K]) take(now time.Time, key K) { b.of.Add(key, bucket{b.left(now, key) - 1, now}) }

func (b *buckets[K]) give(now time.Time, key K) {
	left := b.left(now, key) + 1
	if left >= float64(b.burst) {
		b.of.Remove(key)
		return
	}
	b.of.Add(key, bucket{left, now})
}
