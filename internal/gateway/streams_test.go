package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

type oneRoute struct{ route *registry.Route }

func (o oneRoute) Lookup(context.Context, string) (*registry.Route, error) { return o.route, nil }

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// TestChangedMeanwhile: a change that comes between the check of a request and the registration of its stream ends it.
func TestChangedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change registry.Change
		status registry.RouteStatus // of the org afterwards
		closed bool
	}{
		"nothing":              {registry.Change{Kind: registry.OrgUpdated}, registry.RouteServing, false},
		"somebody else's":      {registry.Change{Kind: registry.SessionRevoked, SessionID: "other"}, registry.RouteServing, false},
		"another org's member": {registry.Change{Kind: registry.MemberRemoved, OrgID: "other", UserID: "user"}, registry.RouteServing, false},
		"sign-out":             {registry.Change{Kind: registry.SessionRevoked, SessionID: "session"}, registry.RouteServing, true},
		"removal":              {registry.Change{Kind: registry.MemberRemoved, OrgID: "org", UserID: "user"}, registry.RouteServing, true},
		"change of role":       {registry.Change{Kind: registry.MemberChanged, OrgID: "org", UserID: "user"}, registry.RouteServing, true},
		"suspension":           {registry.Change{Kind: registry.OrgSuspendedNow, OrgID: "org"}, registry.RouteSuspended, true},
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
			c.change.At = f.clock
			f.g.Revocations.Apply(c.change)
			body := &closing{Reader: strings.NewReader("x")}
			f.g.Filter(st, &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{}, Body: body, Request: httptest.NewRequest("GET", "/", nil)})
			if body.closed != c.closed {
				t.Errorf("closed: %v", body.closed)
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
