package console

import (
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// status is how an org does, in one word, a shape and a colour.
type status struct{ Word, Shape, Class string }

func statusOf(v registry.OrgView) status {
	switch v.Status {
	case registry.OrgSuspended:
		return status{"Suspended", "■", "off"}
	case registry.OrgDeleting:
		return status{"Deleting", "■", "off"}
	}
	switch registry.RouteStatusOf(v.Status, v.Instance.State) {
	case registry.RouteServing:
		return status{"Active", "●", "good"}
	case registry.RouteFailed:
		return status{"Failed", "▲", "bad"}
	}
	return status{"Starting", "◐", "wait"}
}

// ago says a duration as people do.
func ago(d time.Duration) string {
	unit := func(n int, one string) string {
		if n == 1 {
			return "1 " + one + " ago"
		}
		return fmt.Sprintf("%d %ss ago", n, one)
	}
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return unit(int(d.Seconds()), "second")
	case d < time.Hour:
		return unit(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return unit(int(d.Hours()), "hour")
	}
	return unit(int(d.Hours()/24), "day")
}
