package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// TestClosedOrgTellsItsMembers: why an org is suspended, and until when a deletion can be undone, is
// told to those whose session holds, in pages and problem details, and without asking the registry.
func TestClosedOrgTellsItsMembers(t *testing.T) {
	const reason = "The invoice of March is open."
	f := newFixture(t)
	until := f.clock.Add(72 * time.Hour)
	suspended := registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Status: registry.RouteSuspended, Detail: reason}
	deleting := registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Status: registry.RouteQuarantined, RestoreUntil: until}
	says := func(rt *registry.Route, accept, token string, more ...string) string {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for i := 0; i+1 < len(more); i += 2 {
			r.Header.Set(more[i], more[i+1])
		}
		r.Header.Set("Accept", accept)
		if token != "" {
			r.Header.Set("Cookie", SessionCookie+"="+token)
		}
		w := httptest.NewRecorder()
		f.g.fail(w, r, &State{Route: rt, RequestID: func() string { return "r" }}, *f.g.routeProblem(r, rt))
		return w.Body.String()
	}
	before := f.store.grants.Load()
	date := until.Format("2 January 2006, 15:04")
	for _, accept := range []string{"text/html", "application/json"} {
		if got := says(&suspended, accept, f.token); !strings.Contains(got, reason) {
			t.Errorf("a member: %s", got)
		}
		if got := says(&deleting, accept, f.token); !strings.Contains(got, date) {
			t.Errorf("an owner: %s", got)
		}
		for who, token := range map[string]string{"nobody": "", "a forger": f.token + "x", "a member twice": f.token + "; " + SessionCookie + "=x"} {
			for _, rt := range []*registry.Route{&suspended, &deleting} {
				if got := says(rt, accept, token); strings.Contains(got, reason) || strings.Contains(got, "being deleted") {
					t.Errorf("%s: %s", who, got)
				}
			}
		}
		for _, site := range []string{"same-site", "cross-site"} {
			if got := says(&suspended, accept, f.token, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors"); strings.Contains(got, reason) {
				t.Errorf("a page of %s: %s", site, got)
			}
		}
		other := suspended
		other.OrgID = registry.OrgID(registry.NewID())
		if got := says(&other, accept, f.token); strings.Contains(got, reason) {
			t.Errorf("a member of another org: %s", got)
		}
	}
	if n := f.store.grants.Load(); n != before {
		t.Errorf("the registry was asked %d times", n-before)
	}
	late := deleting
	late.RestoreUntil = f.clock
	if got := says(&late, "text/html", f.token); !strings.Contains(got, "is gone") {
		t.Errorf("too late: %s", got)
	}
}

// TestClosedOrgTellsWhoStays: once the org session is too old, the reason is for those whom the
// registry still calls members, and for nobody while it is away.
func TestClosedOrgTellsWhoStays(t *testing.T) {
	const reason = "The invoice of March is open."
	f := newFixture(t)
	bob := f.join("bob@example.com", registry.RoleOwner)
	if err := f.store.SuspendOrg(t.Context(), registry.AsOperator(), f.org.ID, 0, reason); err != nil {
		t.Fatal(err)
	}
	rt := &registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Status: registry.RouteSuspended, Detail: reason}
	told := func(want bool, who string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Cookie", SessionCookie+"="+f.token)
		w := httptest.NewRecorder()
		f.g.fail(w, r, &State{Route: rt, RequestID: func() string { return "r" }}, *f.g.routeProblem(r, rt))
		if got := w.Body.String(); strings.Contains(got, reason) != want ||
			strings.Contains(got, "/orgs/acme") == want {
			t.Errorf("%s: %s", who, got)
		}
	}
	f.pass(token.SessionTokenLife + time.Minute)
	told(true, "a member")
	f.store.away.Store(true)
	told(false, "a member while the registry is away")
	f.store.away.Store(false)
	told(true, "a member")
	if _, err := f.store.RemoveMember(t.Context(), bob, f.org.ID, f.login.User.ID, registry.MemberRemoval{}); err != nil {
		t.Fatal(err)
	}
	told(false, "a former member")
	f.newMember(bob)
	told(true, "a member again")
	if err := f.store.RevokeSession(t.Context(), registry.AsSystem("test"), f.login.Session.ID); err != nil {
		t.Fatal(err)
	}
	told(false, "a member who signed out")
}

func (f *fixture) newMember(by registry.Actor) {
	f.Helper()
	secret := token.NewSecret()
	if _, err := f.store.CreateInvite(f.Context(), by, f.org.ID, f.login.User.Email, registry.RoleMember, secret.Hash()); err != nil {
		f.Fatal(err)
	}
	if _, err := f.store.AcceptInvite(f.Context(), f.as(f.login.User), secret.Hash()); err != nil {
		f.Fatal(err)
	}
}
