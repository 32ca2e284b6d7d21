package edge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

type oneRoute struct{ route *registry.Route }

func (o oneRoute) Lookup(context.Context, string) (*registry.Route, error) { return o.route, nil }

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestChangedMeanwhile: a change that comes between the check of a request and the registration of its exchange ends it, and the
// instance never sees the request.
func TestChangedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change registry.Change
		status registry.RouteStatus // of the org afterwards
		closed bool
	}{
		"nothing":              {registry.Change{Kind: registry.ChangeOrgUpdated}, registry.RouteServing, false},
		"somebody else's":      {registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "other"}, registry.RouteServing, false},
		"another org's member": {registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: "other", UserID: "user"}, registry.RouteServing, false},
		"sign-out":             {registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "session"}, registry.RouteServing, true},
		"removal":              {registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: "org", UserID: "user"}, registry.RouteServing, true},
		"change of role":       {registry.Change{Kind: registry.ChangeMemberChanged, OrgID: "org", UserID: "user"}, registry.RouteServing, true},
		"keys in an emergency": {registry.Change{Kind: registry.ChangeKeyRevoked}, registry.RouteServing, true},
		"a restart":            {registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "other"}, registry.RouteStarting, false},
		"a new address":        {registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "other"}, registry.RouteRenamed, false},
		"deletion":             {registry.Change{Kind: registry.ChangeOrgDeleting, OrgID: "org"}, registry.RouteQuarantined, true},
		"suspension":           {registry.Change{Kind: registry.ChangeOrgSuspended, OrgID: "org"}, registry.RouteSuspended, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.g.Routes = oneRoute{&registry.Route{OrgID: f.org.ID, Slug: "acme", Generation: f.org.Generation, Status: c.status}}
			status, _, st := f.ask()
			if status != 200 {
				t.Fatalf("%d", status)
			}
			fill := map[string]string{"session": string(f.login.Session.ID), "user": string(f.login.User.ID), "org": string(f.org.ID)}
			c.change.SessionID = registry.SessionID(replaced(fill, string(c.change.SessionID)))
			c.change.UserID = registry.UserID(replaced(fill, string(c.change.UserID)))
			c.change.OrgID = registry.OrgID(replaced(fill, string(c.change.OrgID)))
			c.change.At, c.change.Version = f.clock, 1
			if c.change.Kind == registry.ChangeKeyRevoked {
				f.g.sessions.Purge()
				st.session.keys-- // the ring has been read anew before
			}
			f.g.Revocations.Apply(c.change)
			defer st.End()
			asked := false
			_, err := f.g.RoundTrip(st, httptest.NewRequest("GET", "/", nil), &Transports{HTTP: roundTripFunc(func(r *http.Request) (*http.Response, error) {
				asked = true
				return &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})})
			if asked == c.closed || errors.Is(err, ErrRevoked) != c.closed {
				t.Errorf("the instance was asked: %v, %v", asked, err)
			}
		})
	}
}

func replaced(m map[string]string, s string) string {
	if v, ok := m[s]; ok {
		return v
	}
	return s
}
