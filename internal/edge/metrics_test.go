package edge

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pizzaface/pizzeria/registry"
)

// TestOrgSeriesAreBounded: however many orgs are asked for, the series stay within a number; one that goes makes room.
func TestOrgSeriesAreBounded(t *testing.T) {
	m := NewMetrics()
	ask := func(org registry.OrgID) {
		m.Request(&registry.Route{OrgID: org, Status: registry.RouteServing}, 200, time.Millisecond)
	}
	for i := range 2 * orgLabels {
		ask(registry.OrgID(fmt.Sprint("org-", i)))
	}
	if n := testutil.CollectAndCount(m.requests); n != orgLabels+1 {
		t.Errorf("%d series", n)
	}
	if n := m.requests.others[2].Load(); n != orgLabels {
		t.Errorf("%v requests are the others'", n)
	}
	m.Apply(registry.Change{Kind: registry.ChangeOrgDeleted, OrgID: "org-7", At: time.Now()})
	ask("late")
	if n := m.requests.of("late")[2].Load(); n != 1 {
		t.Errorf("there was room, and %v requests are counted", n)
	}
}
