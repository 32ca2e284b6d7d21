package shared_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/shared"
)

// node is what one node has of Redis.
type node struct {
	*testing.T
	*shared.Redis
	log     *buffer
	metrics *shared.Metrics
	config  atomic.Pointer[shared.Config]
}

// buffer is one that a log is written to meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newNode(t *testing.T, config *shared.Config, key *identity.MasterKey) *node {
	t.Helper()
	return newListener(t, config, key, nil)
}

// newListener returns a node that is told what nodes commit.
func newListener(t *testing.T, config *shared.Config, key *identity.MasterKey, heard func(int64)) *node {
	t.Helper()
	n := &node{T: t, log: new(buffer), metrics: shared.NewMetrics()}
	n.config.Store(config)
	n.Redis = shared.New(n.config.Load, key, n.metrics, slog.New(slog.NewTextHandler(n.log, nil)))
	n.Heard = heard
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Redis.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return n
}

// eventually waits until something is so.
func (n *node) eventually(what string, so func() bool) {
	n.Helper()
	for end := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(end) {
			n.Fatalf("not %s: %s", what, n.log.String())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// answers waits until Redis is asked, or no longer.
func (n *node) answers(want bool) {
	n.Helper()
	n.eventually("asked as it should be", func() bool {
		_, err := n.Limiter().Left(n.Context(), bucket(minute(3), "answers"))
		return (err == nil) == want
	})
}

func minute(burst int) *identity.Limit {
	return &identity.Limit{Name: "test/minute", Every: time.Minute, Burst: burst}
}

func bucket(l *identity.Limit, key string) identity.Bucket {
	return identity.Bucket{Limit: l, Key: key}
}

// taken counts the times that a stage is passed.
func (n *node) taken(times int, stages ...[]identity.Bucket) (passed int) {
	n.Helper()
	for range times {
		empty, err := n.Limiter().Take(n.Context(), stages...)
		if err != nil {
			n.Fatal(err)
		}
		if empty == nil {
			passed++
		}
	}
	return passed
}

func (n *node) left(want float64, b identity.Bucket) {
	n.Helper()
	got, err := n.Limiter().Left(n.Context(), b)
	if err != nil || got < want || got > want+.5 {
		n.Errorf("%s %q has %v left, want %v: %v", b.Limit.Name, b.Key, got, want, err)
	}
}

// TestLimiter: nodes take from the same buckets; a stage is taken as a whole; another installation has
// buckets of its own, and no key tells of whom it is.
func TestLimiter(t *testing.T) {
	s := redistest.Start(t)
	key, other := new(identity.MasterKey), otherKey(t)
	at := &shared.Config{URL: s.URL()}
	a, b, c := newNode(t, at, key), newNode(t, at, key), newNode(t, at, other)
	for _, n := range []*node{a, b, c} {
		n.answers(true)
	}
	wide, narrow := minute(10), &identity.Limit{Name: "test/narrow", Every: time.Minute, Burst: 3}
	first, then := []identity.Bucket{bucket(wide, "192.0.2.1")}, []identity.Bucket{bucket(wide, "all"), bucket(narrow, "alice@example.com")}
	if n := a.taken(2, first, then) + b.taken(2, first, then); n != 3 {
		t.Errorf("%d of 4 passed, want 3", n)
	}
	b.left(6, first[0]) // the first stage of the refused try stays taken
	b.left(7, then[0])  // and of the second nothing is
	b.left(0, then[1])
	if empty, err := a.Limiter().Take(t.Context(), first, then); empty != narrow || err != nil {
		t.Errorf("%v %v", empty, err)
	}
	if err := b.Limiter().Give(t.Context(), then); err != nil {
		t.Fatal(err)
	}
	a.left(8, then[0])
	if n := a.taken(3, then); n != 1 {
		t.Errorf("%d passed after one was given back", n)
	}
	for range 20 { // no bucket takes more than it holds
		if err := b.Limiter().Give(t.Context(), then); err != nil {
			t.Fatal(err)
		}
	}
	a.left(3, then[1])
	c.left(10, first[0])
	keys, err := s.Ask(t.Context(), "KEYS", "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys.([]any) {
		if name := k.(string); strings.Contains(name, "alice") || strings.Contains(name, "192") || !strings.HasPrefix(name, "pizzeria:") {
			t.Errorf("key %q", name)
		}
	}
}

// TestRefills: tokens come in with time, and a full bucket takes no memory.
func TestRefills(t *testing.T) {
	s := redistest.Start(t)
	n := newNode(t, &shared.Config{URL: s.URL()}, new(identity.MasterKey))
	n.answers(true)
	quick := []identity.Bucket{bucket(&identity.Limit{Name: "test/quick", Every: 20 * time.Millisecond, Burst: 2}, "")}
	n.eventually("empty", func() bool { return n.taken(1, quick) == 0 })
	n.eventually("refilled", func() bool { return n.taken(1, quick) == 1 })
	n.eventually("forgotten", func() bool {
		list, err := s.Ask(t.Context(), "KEYS", "*{limits}:*")
		return err == nil && len(list.([]any)) == 0
	})
}

// TestAtOnce: at once, no more than there are pass.
func TestAtOnce(t *testing.T) {
	s := redistest.Start(t)
	at := &shared.Config{URL: s.URL()}
	nodes := []*node{newNode(t, at, new(identity.MasterKey)), newNode(t, at, new(identity.MasterKey))}
	stage := []identity.Bucket{bucket(minute(25), "x"), bucket(&identity.Limit{Name: "test/more", Every: time.Minute, Burst: 40}, "y")}
	var mu sync.Mutex
	var passed int
	var all sync.WaitGroup
	for _, n := range nodes {
		n.answers(true)
		for range 8 {
			all.Go(func() {
				for range 5 {
					empty, err := n.Limiter().Take(t.Context(), stage)
					for err != nil { // on a busy machine it may answer late
						n.answers(true)
						empty, err = n.Limiter().Take(t.Context(), stage)
					}
					if empty == nil {
						mu.Lock()
						passed++
						mu.Unlock()
					}
				}
			})
		}
	}
	all.Wait()
	if passed > 25 {
		t.Errorf("%d passed, of 25", passed)
	}
	nodes[0].left(0, stage[0])
}
