package console

import (
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
)

// TestEveryChangeHasWords: what the audit log can say is said in words.
func TestEveryChangeHasWords(t *testing.T) {
	for _, k := range append(registry.WebhookEvents(""), registry.ChangeWebhookTest) {
		if happened(k) == string(k) {
			t.Errorf("%s has no words", k)
		}
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36":                            "Chrome on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":            "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                 "Firefox on Windows",
		"curl/8.5.0": "curl", "": "Another program",
	} {
		if got := device(agent); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
}

func TestNice(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, -1: 1, 0.3: 0.5, 1: 1, 1.1: 2, 3: 5, 7: 10, 99: 100, 101: 200} {
		if got := nice(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("%v: %v", v, got)
		}
	}
}

// TestCharts: every range has at most chartBins bins, and loses no request.
func TestCharts(t *testing.T) {
	for over, n := range map[usage.Range]int{usage.Hour: 360, usage.Day: 144, usage.Week: 168} {
		points := make([]registry.UsagePoint, n)
		for i := range points {
			points[i] = registry.UsagePoint{At: time.Unix(int64(i)*int64(over.Step().Seconds()), 0), Usage: registry.Usage{Requests: 1}}
		}
		bins, step := binned(points, over)
		sum := int64(0)
		for _, b := range bins {
			sum += b.Requests
		}
		if len(bins) > chartBins || sum != int64(n) || step*time.Duration(len(bins)) < over.Step()*time.Duration(n) {
			t.Errorf("%s: %d bins of %s with %d requests", over, len(bins), step, sum)
		}
		if c := chartsOf(points, over); len(c) != 3 || len(c[0].Rows) != len(bins) {
			t.Errorf("%s: %d charts", over, len(c))
		}
	}
}

// TestEveryStateHasWords: states are told apart by word, and what is wrong is not painted as good.
func TestEveryStateHasWords(t *testing.T) {
	words := map[registry.InstanceState]string{
		registry.InstancePending: "Starting wait", registry.InstanceStarting: "Starting wait", registry.InstanceRunning: "Running good",
		registry.InstanceDegraded: "Degraded wait", registry.InstanceFailed: "Failed bad", registry.InstanceStopped: "Stopped off", registry.InstanceAbsent: "Removed off",
	}
	for _, s := range registry.InstanceStates() {
		if got := stateOf(registry.Instance{State: s}); got.Word+" "+got.Class != words[s] {
			t.Errorf("%s: %+v", s, got)
		}
	}
	for state, want := range map[registry.InstanceState]string{registry.InstanceRunning: "Active", registry.InstanceDegraded: "Degraded", registry.InstanceFailed: "Failed"} {
		if got := statusOf(registry.OrgView{Org: registry.Org{Status: registry.OrgActive}, Instance: registry.Instance{State: state}}); got.Word != want {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

func TestSteps(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	v := registry.OrgView{}
	for i, name := range []registry.StepName{"created", "started", "failed", "healthy", "degraded", "crashed", "unresponsive"} {
		v.Instance.Steps = append(v.Instance.Steps, registry.Step{Name: name, At: at.Add(time.Duration(i) * time.Second)})
	}
	var got []string
	for _, s := range stepsOf(v) {
		got = append(got, s.Name+" "+s.Class)
	}
	want := "created , started , failed bad, healthy , degraded wait, crashed bad, unresponsive bad"
	if strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
