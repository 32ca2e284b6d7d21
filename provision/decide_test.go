package provision

import (
	"errors"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func TestDecide(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	up := Observed{Running: true, Address: "unix//a"}
	missed := verdict{misses: 3, why: errors.New("no answer")}
	const running, degraded = registry.InstanceRunning, registry.InstanceDegraded
	for name, c := range map[string]struct {
		state    registry.InstanceState
		since    time.Duration
		failures int
		o        Observed
		v        verdict
		known    bool
		h        Health
		want     move
	}{
		"all is well": {
			running, time.Hour, 0, up, verdict{healthy: true}, true, DefaultHealth(), moveNone,
		},
		"not asked yet": {
			running, time.Hour, 0, up, verdict{}, false, DefaultHealth(), moveNone,
		},
		"it crashed": {
			running, time.Second, 0, Observed{}, verdict{}, true, DefaultHealth(), moveRevive,
		},
		"it crashed while degraded": {
			degraded, time.Hour, 0, Observed{}, missed, true, DefaultHealth(), moveRevive,
		},
		"the machine restarted": {
			running, time.Hour, 0, Observed{}, verdict{}, false, DefaultHealth(), moveStart,
		},
		"it is elsewhere": {
			running, time.Hour, 0, Observed{Running: true, Address: "unix//b"}, verdict{}, true, DefaultHealth(), moveStart,
		},
		"two misses": {
			running, time.Hour, 0, up, verdict{misses: 2}, true, DefaultHealth(), moveNone,
		},
		"three misses": {
			running, time.Hour, 0, up, missed, true, DefaultHealth(), moveDegrade,
		},
		"more are allowed": {
			running, time.Hour, 0, up, missed, true, Health{Interval: time.Second, Failures: 4, RestartAfter: time.Minute}, moveNone,
		},
		"nobody asks any more": {
			running, time.Hour, 0, up, missed, true, Health{Interval: -1, Failures: 3, RestartAfter: time.Minute}, moveNone,
		},
		"degraded for a while": {
			degraded, 59 * time.Second, 0, up, missed, true, DefaultHealth(), moveNone,
		},
		"degraded for too long": {
			degraded, time.Minute, 0, up, missed, true, DefaultHealth(), moveReplace,
		},
		"degraded, not asked yet": {
			degraded, time.Hour, 0, up, verdict{}, false, DefaultHealth(), moveNone,
		},
		"degraded, nobody restarts": {
			degraded, time.Hour, 0, up, missed, true, Health{Interval: time.Second, Failures: 3, RestartAfter: -1}, moveNone,
		},
		"degraded, nobody asks": {
			degraded, time.Hour, 0, up, missed, true, Health{Interval: -1, Failures: 3, RestartAfter: time.Minute}, moveRecover,
		},
		"degraded, restarted at once": {
			degraded, 0, 0, up, missed, true, Health{Interval: time.Second, Failures: 3}, moveReplace,
		},
		"healthy again": {
			degraded, time.Hour, 0, up, verdict{healthy: true}, true, DefaultHealth(), moveRecover,
		},
		"healthy for long": {
			running, registry.HealthyFor, 4, up, verdict{healthy: true}, true, DefaultHealth(), moveForgive,
		},
		"healthy, not for long": {
			running, registry.HealthyFor - 1, 4, up, verdict{healthy: true}, true, DefaultHealth(), moveNone,
		},
	} {
		i := registry.Instance{
			Desired: registry.DesiredRunning, State: c.state, Address: "unix//a",
			Failures: c.failures, ChangedAt: now.Add(-c.since),
		}
		if got := decide(i, c.o, c.v, c.known, c.h, now); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
