package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

const newPassword = "another good sentence"

// submit sends a form of the console's own page.
func submit(
	t *testing.T,
	c *controltest.Client,
	status int,
	path string,
	f url.Values,
) controltest.Answer {
	t.Helper()
	return c.With("Content-Type", form, "Sec-Fetch-Site", "", "Origin", controltest.Issuer).
		Want(t, status, "POST", path, f.Encode())
}

// recover gives an account the new password by an admin's link, and signs in with it.
func recoverAccount(t *testing.T, s *controltest.Server, u registry.User) *controltest.Client {
	t.Helper()
	_, link, err := s.Identity.ResetLink(t.Context(), registry.AsOperator(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	submit(
		t,
		s.Nobody(),
		303,
		strings.TrimPrefix(link, controltest.Issuer),
		url.Values{"password": {newPassword}},
	)
	l, err := s.Identity.SignIn(
		t.Context(),
		u.Email,
		newPassword,
		identity.Client{Address: "192.0.2.1"},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s.Page(l)
}

// TestReviewComesFirst: after a reset every page leads to the review, every operation is refused,
// and no app is signed in to, until the person has said what the account keeps.
func TestReviewComesFirst(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.User("ada@example.com", true)
	acme := s.Org("acme", ada)
	l := s.SignIn(ada)
	key := s.Key(l, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}})
	s.Key(
		l,
		registry.NewAPIKey{
			OrgID:  acme.ID,
			Role:   registry.RoleAdmin,
			Scopes: []registry.Scope{registry.ScopeOrgRead},
		},
	)
	old := s.Page(l)
	old.Want(t, 303, "GET", "/account/review", "") // nothing to review
	ada1 := recoverAccount(t, s, ada)
	if a := old.Do(
		"GET",
		"/account",
		"",
	); a.Status != 303 ||
		!strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
		t.Errorf("an old session: %d to %s", a.Status, a.Header.Get("Location"))
	}
	s.Bearer(key).Want(t, 401, "GET", "/api/v1/me", "")

	fill := strings.NewReplacer("{$}", "", "{org}", "acme")
	for _, rt := range console.Routes() {
		if rt.Public || rt.Pattern == "/account/review" || rt.Pattern == "/theme" {
			continue
		}
		path := fill.Replace(rt.Pattern)
		a := ada1.Do("GET", path, "")
		if rt.Method == http.MethodPost {
			a = submit(t, ada1, 303, path, url.Values{})
		}
		if to := a.Header.Get(
			"Location",
		); a.Status != 303 ||
			!strings.HasPrefix(to, "/account/review?return=") {
			t.Errorf("%s %s: %d to %s", rt.Method, rt.Pattern, a.Status, to)
		}
	}
	for _, rt := range api.Routes() {
		if rt.Public {
			continue
		}
		a := ada1.Do(rt.Method, fill.Replace(rt.Pattern), "")
		if a.Status != 403 || !strings.Contains(a.Body, "was recovered") {
			t.Errorf("%s %s: %d %s", rt.Method, rt.Pattern, a.Status, a.Body)
		}
	}
	authorize := "/authorize?" + url.Values{
		"client_id": {
			token.ClientID(acme.ID),
		},
		"redirect_uri":          {s.Identity.Site().CallbackURL("acme")},
		"response_type":         {"code"},
		"scope":                 {"openid"},
		"state":                 {"s"},
		"nonce":                 {"n"},
		"code_challenge":        {strings.Repeat("c", 43)},
		"code_challenge_method": {"S256"},
	}.Encode()
	a := ada1.Want(t, 303, "GET", authorize, "")
	a = ada1.Want(t, 303, "GET", a.Header.Get("Location"), "")
	if to := a.Header.Get(
		"Location",
	); !strings.HasPrefix(
		to,
		"/account/review?return=%2Fauthorize",
	) {
		t.Errorf("an org leads to %s", to)
	}
	a = ada1.Want(t, 303, "GET", authorize+"&prompt=none", "")
	if to := a.Header.Get("Location"); !strings.Contains(to, "error=login_required") {
		t.Errorf("an org that asks silently: %s", to)
	}

	page := ada1.Want(t, 200, "GET", "/account/review?return=/orgs/acme", "")
	name := radio(t, page.Body, "key/")
	for _, bad := range []url.Values{{}, {name: {"perhaps"}}, {"key/" + unknown: {"keep"}}} {
		submit(t, ada1, 422, "/account/review", bad)
	}
	a = submit(
		t,
		ada1,
		303,
		"/account/review",
		url.Values{name: {"remove"}, "return": {"/orgs/acme"}},
	)
	if to := a.Header.Get("Location"); to != "/orgs/acme" {
		t.Errorf("to %s", to)
	}
	ada1.Want(t, 200, "GET", "/orgs/acme", "")
	if a := ada1.Want(
		t,
		200,
		"GET",
		"/api/v1/orgs/acme/keys",
		"",
	); strings.Contains(
		a.Body,
		"test",
	) {
		t.Errorf("the key is there still: %s", a.Body)
	}
	submit(t, ada1, 409, "/account/review", url.Values{}) // twice
}

// radio is the name of the first radio button that begins so.
func radio(t *testing.T, page, prefix string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `name="`+prefix)
	name, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no %s in %s", prefix, page)
	}
	return prefix + name
}

// TestReviewAsksForRecentSignIn: a session of long ago, in whatever hands, keeps nothing.
func TestReviewAsksForRecentSignIn(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.User("ada@example.com", false)
	acme := s.Org("acme", ada)
	s.Key(
		s.SignIn(ada),
		registry.NewAPIKey{
			OrgID:  acme.ID,
			Role:   registry.RoleAdmin,
			Scopes: []registry.Scope{registry.ScopeOrgRead},
		},
	)
	page := recoverAccount(t, s, ada)
	s.Clock.Advance(registry.FreshFor + 1)
	for _, a := range []controltest.Answer{page.Do("GET", "/account/review", ""), submit(t, page, 303, "/account/review", url.Values{})} {
		if to := a.Header.Get("Location"); !strings.HasPrefix(to, "/sign-in?again=1") {
			t.Errorf("to %s", to)
		}
	}
}

// TestPreHijack replays an attack: an admin of globex makes the account of acme's future owner.
func TestPreHijack(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	evil := s.User("evil@globex.test", false)
	globex := s.Org("globex", evil)
	root := s.User("root@example.com", true)
	acme := s.Org("acme", root)
	admin := s.Page(s.SignIn(root))

	invite := func(by *controltest.Client, org registry.OrgID, role string) string {
		t.Helper()
		var v struct{ Link string }
		by.Want(t, 201, "POST", "/api/v1/orgs/"+string(org)+"/invites", `{"email":"ceo@acme.test","role":"`+role+`"}`).
			Decode(t, &v)
		return strings.TrimPrefix(v.Link, controltest.Issuer)
	}
	theirs := invite(s.Page(s.SignIn(evil)), globex.ID, "member")
	submit(
		t,
		s.Nobody(),
		303,
		theirs,
		url.Values{"name": {"CEO"}, "password": {controltest.Password}},
	)
	ceo, err := s.Store.UserByEmail(t.Context(), registry.AsSystem("test"), "ceo@acme.test")
	if err != nil {
		t.Fatal(err)
	}
	hijacked := s.Bearer(s.Key(s.SignIn(ceo), registry.NewAPIKey{Scopes: scopes()}))
	hijacked.Want(t, 200, "GET", "/api/v1/orgs/globex", "")

	// The CEO is told that there is an account already, and by which way it becomes theirs.
	s.Clock.Advance(registry.FreshFor)
	link := invite(admin, acme.ID, "owner")
	a := submit(t, s.Nobody(), 409, link, url.Values{"name": {"CEO"}, "password": {newPassword}})
	if !strings.Contains(a.Body, "nobody has verified its address") ||
		strings.Contains(a.Body, "globex") {
		t.Error(a.Body)
	}
	mine := recoverAccount(t, s, ceo)
	a = mine.Want(t, 200, "GET", link, "")
	if !strings.Contains(a.Body, "older than the invitation") ||
		!strings.Contains(a.Body, "by an invitation into globex") {
		t.Error(a.Body)
	}
	submit(t, mine, 303, link, url.Values{})
	hijacked.Want(t, 401, "GET", "/api/v1/orgs/acme", "")
	if _, err := s.Identity.SignIn(
		t.Context(),
		ceo.Email,
		controltest.Password,
		identity.Client{Address: "192.0.2.1"},
	); registry.ErrorCode(
		err,
	) != registry.CodeForbidden {
		t.Errorf("with globex's password: %v", err)
	}

	// The role waits. Both sides see why, and acme's members do not see where accounts come from.
	members := "/api/v1/orgs/acme/members"
	mine.Want(t, 403, "GET", "/api/v1/orgs/acme/audit", "")
	if a := mine.Want(
		t,
		200,
		"GET",
		"/orgs/acme",
		"",
	); !strings.Contains(
		a.Body,
		"owner once your address is verified",
	) {
		t.Error(a.Body)
	}
	if a := mine.Want(
		t,
		200,
		"GET",
		"/api/v1/me",
		"",
	); !strings.Contains(a.Body, `"wanted_role":"owner"`) ||
		!strings.Contains(a.Body, `"email_verified":false`) {
		t.Error(a.Body)
	}
	for _, path := range []string{members, "/orgs/acme/members"} {
		if a := admin.Want(t, 200, "GET", path, ""); !strings.Contains(a.Body, "globex") {
			t.Errorf("%s: %s", path, a.Body)
		}
		if a := mine.Want(
			t,
			200,
			"GET",
			path,
			"",
		); strings.Contains(a.Body, `"account_made_by"`) ||
			strings.Contains(a.Body, "into globex") {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	if a := admin.Do(
		"PATCH",
		members+"/ceo@acme.test",
		`{"role":"admin"}`,
	); a.Status != 409 ||
		!strings.Contains(a.Body, "nobody has verified the address") {
		t.Errorf("%d %s", a.Status, a.Body)
	}

	// A platform admin says whose it is: in person, a short while after a sign-in.
	verify := "/api/v1/users/ceo@acme.test/verify"
	mine.Want(t, 403, "POST", verify, "")
	page := "/platform/users/" + string(ceo.ID)
	s.Clock.Advance(2)
	admin.Want(t, 401, "POST", verify, "")
	if a := submit(
		t,
		admin,
		303,
		page+"/verify",
		url.Values{},
	); !strings.Contains(
		a.Header.Get("Location"),
		"again=1",
	) {
		t.Errorf("to %s", a.Header.Get("Location"))
	}
	admin = s.Page(s.SignIn(root))
	if a := admin.Want(
		t,
		200,
		"GET",
		page,
		"",
	); !strings.Contains(a.Body, "Mark address as verified") ||
		!strings.Contains(a.Body, "by an invitation into globex") {
		t.Error(a.Body)
	}
	submit(t, admin, 303, page+"/verify", url.Values{})
	admin.Want(t, 200, "POST", verify, "") // twice
	if a := admin.Want(
		t,
		200,
		"GET",
		page,
		"",
	); strings.Contains(
		a.Body,
		"Mark address as verified",
	) {
		t.Error(a.Body)
	}
	mine.Want(t, 200, "GET", "/api/v1/orgs/acme/audit", "")
	hijacked.Want(t, 401, "GET", "/api/v1/orgs/acme", "")
	if a := s.Operator().
		Want(t, 200, "GET", "/api/v1/audit?action=user.verified", ""); strings.Count(
		a.Body,
		`"action":"user.verified"`,
	) != 1 {
		t.Error(a.Body)
	}
}

// scopes are those that a person's key can have.
func scopes() (out []registry.Scope) {
	for _, s := range registry.Scopes() {
		if s != registry.ScopePlatform {
			out = append(out, s)
		}
	}
	return out
}
