package registry

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// TestCleanedHeartbeat: what an org claims is bounded, and says nothing of the future.
func TestCleanedHeartbeat(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	less, more := -1, math.MaxInt
	for name, cpu := range map[string]float64{
		"not a number": math.NaN(), "infinite": math.Inf(1), "negative": -1, "minus infinite": math.Inf(-1),
	} {
		h := Heartbeat{
			At: now.Add(time.Hour), StartedAt: time.Unix(-1, 0), ReceivedAt: now.Add(time.Hour),
			Agent: strings.Repeat("x", 100), Version: "1\x1b[31m\n\u202e2" + strings.Repeat("é", 100),
			Health: "splendid", Sessions: &less, Runners: &more, Sockets: -1,
			CPU: cpu, Memory: -1, Disk: math.MinInt64,
		}.Cleaned(now)
		if !h.At.Equal(now) || !h.ReceivedAt.Equal(now) || h.StartedAt.Unix() != 0 {
			t.Errorf("%s: times %+v", name, h)
		}
		if len(h.Agent) > versionMax || len(h.Version) > versionMax || Printable(h.Version) != h.Version {
			t.Errorf("%s: texts %q %q", name, h.Agent, h.Version)
		}
		if h.Health != HealthUnknown || *h.Sessions != 0 || *h.Runners != countMax || h.Sockets != 0 ||
			h.CPU < 0 || !(h.CPU <= countMax) || h.Memory != 0 || h.Disk != 0 {
			t.Errorf("%s: %+v", name, h)
		}
		if b, err := json.Marshal(h); err != nil || len(b) > 1024 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if less != -1 {
		t.Error("it changed what it was given")
	}
	honest := Heartbeat{
		OrgID: "o", Generation: 2, At: now.Add(-time.Second), StartedAt: now.Add(-time.Hour),
		Version: "1.2.3", Health: HealthOK, Busy: true, Sockets: 4, CPU: 1.5, Memory: 5, Disk: 6,
	}
	got := honest.Cleaned(now)
	honest.ReceivedAt = now
	if got != honest {
		t.Errorf("%+v became %+v", honest, got)
	}
}
