package registry

import (
	"math"
	"testing"
	"time"
)

func TestRetryDelay(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second, 7: time.Minute, math.MaxInt: time.Minute,
	} {
		if got := RetryDelay(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

func TestWaits(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		state    InstanceState
		failures int
		after    time.Duration
		want     bool
	}{
		"just failed":            {InstanceFailed, 3, 0, true},
		"almost due":             {InstanceFailed, 3, 4*time.Second - 1, true},
		"due":                    {InstanceFailed, 3, 4 * time.Second, false},
		"acted on by somebody":   {InstanceFailed, 0, 0, false},
		"starts":                 {InstanceStarting, 3, 0, false},
		"the clock was set back": {InstanceFailed, 3, -time.Hour, false},
	} {
		i := Instance{State: c.state, Failures: c.failures, ChangedAt: at}
		if got := i.Waits(at.Add(c.after)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestInstanceTransitions: every state has a row, and only a running instance becomes degraded.
func TestInstanceTransitions(t *testing.T) {
	for _, s := range InstanceStates() {
		if s.To(InstanceAbsent) != nil {
			t.Errorf("%s cannot end", s)
		}
		for _, next := range InstanceStates() {
			err := s.To(next)
			if next == InstanceDegraded && (err == nil) != (s == InstanceRunning) {
				t.Errorf("%s to %s: %v", s, next, err)
			}
			if next == InstancePending && err == nil {
				t.Errorf("%s can be reported as pending", s)
			}
		}
	}
	if InstanceState("other").To(InstanceRunning) == nil {
		t.Error("an unknown state is accepted")
	}
}
