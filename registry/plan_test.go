package registry

import (
	"slices"
	"testing"
)

// TestLimitText: what people write for a limit is read, and written back as they would.
func TestLimitText(t *testing.T) {
	for _, c := range []struct {
		name       LimitName
		text, back string
		value      float64
	}{
		{LimitBody, "10MB", "10MB", 10e6}, {LimitMemory, "512MiB", "512MiB", 512 << 20}, {LimitMemory, "1GiB", "1GiB", 1 << 30},
		{LimitDisk, "1500000", "1500KB", 1_500_000}, {LimitBody, "17", "17", 17}, {LimitBody, "0", "0", 0},
		{LimitMembers, "25", "25", 25}, {LimitCPU, "1.5", "1.5", 1.5}, {LimitRequests, "0.5", "0.5", 0.5}, {LimitRequests, "1000000", "1000000", 1e6},
	} {
		v, err := ParseLimit(c.name, c.text)
		if err != nil || *v != c.value {
			t.Errorf("%s %s: %v %v", c.name, c.text, v, err)
			continue
		}
		if got := FormatLimit(c.name, *v); got != c.back {
			t.Errorf("%s %s is shown as %s", c.name, c.text, got)
		}
	}
	if v, err := ParseLimit(LimitMembers, "none"); v != nil || err != nil {
		t.Errorf("none: %v %v", v, err)
	}
	for name, text := range map[LimitName]string{
		LimitMembers: "10MB", LimitBody: "large", LimitRunners: "-1", LimitPIDs: "1.5", LimitConcurrency: "NaN", "colour": "1",
		LimitWebSockets: "1e9", LimitCPU: "", LimitMemory: "0.5", LimitRequests: "0.0001",
	} {
		if v, err := ParseLimit(name, text); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s %s: %v %v", name, text, v, err)
		}
	}
}

// TestEveryLimitIsKnown: no limit is missing from one of the lists.
func TestEveryLimitIsKnown(t *testing.T) {
	if len(LimitNames()) != len(limitUnits) {
		t.Errorf("%d names and %d units", len(LimitNames()), len(limitUnits))
	}
	for _, n := range LimitNames() {
		if _, ok := limitUnits[n]; !ok {
			t.Errorf("%s has no unit", n)
		}
	}
	instance := []LimitName{LimitCPU, LimitMemory, LimitPIDs, LimitDisk}
	for _, n := range LimitNames() {
		if n.OfInstance() != slices.Contains(instance, n) {
			t.Errorf("%s: whose is it?", n)
		}
	}
}

// TestQuotaLevels: a level is left when the use has fallen well below it, and not before.
func TestQuotaLevels(t *testing.T) {
	for _, c := range []struct {
		was        QuotaLevel
		used, most float64
		want       QuotaLevel
	}{
		{0, 79, 100, 0}, {0, 80, 100, 80}, {0, 99, 100, 80}, {0, 100, 100, 100}, {0, 150, 100, 100},
		{80, 79, 100, 80}, {80, 70, 100, 80}, {80, 69, 100, 0}, {80, 100, 100, 100},
		{100, 95, 100, 100}, {100, 90, 100, 100}, {100, 89, 100, 80}, {100, 69, 100, 0},
		{0, 0, 0, 0}, {0, 1, 0, 100}, {100, 0, 0, 0}, {0, 1, 1, 100}, {0, 4, 5, 80},
	} {
		if got := c.was.Next(c.used, c.most); got != c.want {
			t.Errorf("%v of %v after %d: %d, want %d", c.used, c.most, c.was, got, c.want)
		}
	}
}

// TestLimitsMerge: what an org has of its own takes the place of its plan's, one by one, and
// neither changes.
func TestLimitsMerge(t *testing.T) {
	plan, own := Limits{LimitMembers: 5, LimitBody: 10}, Limits{LimitMembers: 0, LimitRunners: 2}
	if got := plan.With(
		own,
	); got[LimitMembers] != 0 || got[LimitBody] != 10 || got[LimitRunners] != 2 ||
		len(got) != 3 {
		t.Errorf("%v", got)
	}
	if plan[LimitMembers] != 5 || len(plan) != 2 || len(own) != 2 {
		t.Errorf("%v %v", plan, own)
	}
	if (Limits{LimitMembers: 1, LimitCPU: 1}).Routed() != nil {
		t.Error("members and cores are of no concern to the gateway")
	}
	have := []string{"process", "large"}
	if CheckProvider("", have) != nil || CheckProvider("large", have) != nil ||
		ErrorCode(CheckProvider("docker", have)) != CodeInvalid {
		t.Error("which provider?")
	}
}
