package edge

import (
	"errors"
	"net/http"

	"github.com/pizzaface/pizzeria/internal/wire"
)

// Unanswered answers a request whose exchange failed before its answer began: with an error, and the
// status that the proxy gives that. It returns false when the failure is not the instance's.
func (g *Gateway) Unanswered(
	w http.ResponseWriter, r *http.Request, s *State, err error, status int,
) bool {
	var p Problem
	switch {
	case errors.Is(err, ErrRevoked):
		g.Revoked(w, r, s)
		return true
	case errors.Is(err, ErrOverPlan):
		g.OverPlan(w, r, s)
		return true
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable:
		p = Problem{
			Code: wire.InstanceAway, Status: http.StatusBadGateway, RetryAfter: 2, Refresh: true,
			Title:  s.Route.Name + " does not answer",
			Detail: "Its server broke the connection or is restarting. Try again in a moment.",
		}
	case status == http.StatusGatewayTimeout:
		p = Problem{
			Code: wire.InstanceSlow, Status: http.StatusGatewayTimeout, RetryAfter: 2,
			Title:  s.Route.Name + " does not answer",
			Detail: "Its server took too long. Try again in a moment.",
		}
	default:
		return false
	}
	g.Fail(w, r, s, p)
	return true
}
