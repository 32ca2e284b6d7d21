package shared_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/shared"
)

// ear is what a node has heard.
type ear struct {
	mu      sync.Mutex
	numbers map[int64]bool
}

func (e *ear) hear(seq int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.numbers == nil {
		e.numbers = map[int64]bool{}
	}
	e.numbers[seq] = true
}

func (e *ear) heard(seq int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.numbers[seq]
}

// hears waits until a number that n tells has arrived. What is told before somebody listens is lost.
func (e *ear) hears(n *node, seq int64) {
	n.Helper()
	n.eventually("heard", func() bool {
		_ = n.Tell(n.Context(), seq) // on a busy machine it may answer late
		return e.heard(seq)
	})
}

func (n *node) messages(result string) float64 {
	return testutil.ToFloat64(n.metrics.Collectors()[4].(*prometheus.CounterVec).WithLabelValues(result))
}

// TestFeed: nodes hear the number of a change, and nothing that no node of the installation said. After
// Redis was away they hear again.
func TestFeed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	at := &shared.Config{URL: s.URL()}
	var heard, foreign ear
	a, b := newNode(t, at, new(identity.MasterKey)), newListener(t, at, new(identity.MasterKey), heard.hear)
	other := newListener(t, at, otherKey(t), foreign.hear)
	heard.hears(a, 17)
	foreign.hears(other, 18)
	if heard.heard(18) || foreign.heard(17) {
		t.Error("another installation was heard")
	}
	list, err := s.Ask(t.Context(), "PUBSUB", "CHANNELS")
	if err != nil || len(list.([]any)) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for i, said := range []string{"19", "19 ", "19 AAAA", "19 17", "x", ""} {
		for _, channel := range list.([]any) {
			if err := s.Do(t.Context(), "PUBLISH", channel, said); err != nil {
				t.Fatal(err)
			}
		}
		b.eventually("refused", func() bool { return b.messages("refused") == float64(i+1) })
	}
	if heard.heard(19) {
		t.Error("somebody without the key was heard")
	}
	for i, lose := range []func() error{
		func() error { return s.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub") },
		func() error { return s.Do(t.Context(), "FLUSHALL") },
		func() error { return s.Kill() },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			a.answers(false)
			if err := a.Tell(t.Context(), 20); err == nil {
				t.Error("a Redis that is gone was told")
			}
			if err := s.Boot(); err != nil {
				t.Fatal(err)
			}
		}
		heard.hears(a, int64(30+i))
	}
	listeners := func() int {
		list, err := s.Ask(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list.(string), "\n")
	}
	b.eventually("both listen", func() bool { return listeners() == 2 })
	b.config.Store(nil)
	b.eventually("one listens", func() bool { return listeners() == 1 })
	b.config.Store(at)
	heard.hears(a, 40)
}
