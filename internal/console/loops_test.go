package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// authorizeFor is an authorization request of an org's gateway.
func authorizeFor(client, slug string, more ...string) string {
	q := url.Values{
		"client_id": {client}, "redirect_uri": {"https://" + slug + ".d.example/.pizzeria/callback"},
		"response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/authorize?" + q.Encode()
}

// follow follows redirects on the control plane, and returns the address that answers with a page
// or leads away. An address that comes twice is a loop.
func (b *browser) follow(target string) (at string, a controltest.Answer) {
	b.t.Helper()
	seen := map[string]bool{}
	for {
		if seen[target] {
			b.t.Fatalf("a loop of %d: %s", len(seen), target)
		}
		seen[target] = true
		a = b.get(target)
		to := a.Header.Get("Location")
		if a.Status < 300 || a.Status >= 400 {
			return target, a
		}
		if !strings.HasPrefix(to, "/") {
			return to, a
		}
		target, _, _ = strings.Cut(to, "#")
	}
}

// TestNoRedirectLoops: whatever an account is, and whatever an org asks of a sign-in, a browser that
// goes to the org ends there, or on a page that says what to do and keeps where it was going.
func TestNoRedirectLoops(t *testing.T) {
	t.Parallel()
	const (
		enters = "https://acme.d.example/.pizzeria/callback"
		signIn = "/sign-in?"
		setUp  = "/account?done=needs-second"
		sso    = "/sign-in/with/"
		denied = "/sign-in/denied?"
		review = "/account/review?"
	)
	type account struct {
		role     registry.Role
		platform bool
		signIn   func(*testing.T, *controltest.Server, *browser, registry.User)
		ends     map[string]string // by what the org asks for
	}
	password := func(_ *testing.T, _ *controltest.Server, b *browser, u registry.User) { b.signIn(u.Email) }
	factorLater := func(t *testing.T, s *controltest.Server, b *browser, u registry.User) {
		b.signIn(u.Email)
		addFactor(t, s, u)
	}
	withFactor := func(t *testing.T, s *controltest.Server, b *browser, u registry.User) {
		b.signInWith(u.Email, addFactor(t, s, u))
	}
	reset := func(t *testing.T, s *controltest.Server, u registry.User) {
		_, link, err := s.Identity.ResetLink(s.Context(), registry.AsOperator(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		secret := link[strings.LastIndex(link, "/")+1:]
		if err := s.Identity.ResetPassword(s.Context(), secret, controltest.Password, identity.Client{}); err != nil {
			t.Fatal(err)
		}
	}
	recovered := func(t *testing.T, s *controltest.Server, b *browser, u registry.User) {
		if err := s.Store.VerifyUser(s.Context(), registry.AsOperator(), u.ID); err != nil {
			t.Fatal(err) // without it, a reset removes what there is to review
		}
		secret := addFactor(t, s, u)
		reset(t, s, u)
		b.signInWith(u.Email, secret)
	}
	held := func(t *testing.T, s *controltest.Server, b *browser, u registry.User) {
		reset(t, s, u)
		b.signIn(u.Email)
	}
	long := func(t *testing.T, s *controltest.Server, b *browser, u registry.User) {
		b.signIn(u.Email)
		s.Clock.Advance(registry.FreshFor + time.Minute)
	}
	always := func(at string) map[string]string {
		return map[string]string{"nothing": at, "a factor": at, "its provider": at, "both": at}
	}
	asked := func(factor string) map[string]string {
		return map[string]string{"nothing": enters, "a factor": factor, "its provider": sso, "both": sso}
	}
	owner := map[string]string{"nothing": enters, "a factor": setUp, "its provider": enters, "both": setUp}
	accounts := map[string]account{
		"a stranger":                     {"", false, password, always(denied)},
		"a platform admin":               {"", true, password, always(denied)},
		"a member":                       {registry.RoleMember, false, password, asked(setUp)},
		"a member and platform admin":    {registry.RoleMember, true, password, asked(setUp)},
		"an owner":                       {registry.RoleOwner, false, password, owner},
		"an owner and platform admin":    {registry.RoleOwner, true, password, owner},
		"a member with a factor":         {registry.RoleMember, false, factorLater, asked(signIn)},
		"a platform admin with a factor": {registry.RoleMember, true, factorLater, asked(signIn)},
		"a member who used one":          {registry.RoleMember, false, withFactor, asked(enters)},
		"a platform admin who used one":  {registry.RoleMember, true, withFactor, asked(enters)},
		"a recovered member":             {registry.RoleMember, false, recovered, always(review)},
		"a recovered platform admin":     {registry.RoleMember, true, recovered, always(review)},
		"a held member":                  {registry.RoleMember, false, held, always(denied)},
		"a member of long ago":           {registry.RoleMember, false, long, asked(setUp)},
	}
	for _, asks := range []string{"nothing", "a factor", "its provider", "both"} {
		t.Run(asks, func(t *testing.T) {
			s := controltest.New(t)
			n, other := 0, s.User("boss@example.com", false)
			for who, acc := range accounts {
				n++
				slug, ends := fmt.Sprintf("org%d", n), strings.ReplaceAll(acc.ends[asks], "acme", fmt.Sprintf("org%d", n))
				u := s.User(fmt.Sprintf("ada%d@example.com", n), acc.platform)
				boss := other
				if acc.role == registry.RoleOwner {
					boss = u
				}
				org := s.Org(slug, boss)
				if acc.role != "" && acc.role != registry.RoleOwner {
					s.Join(org.ID, u, acc.role)
				}
				if asks == "its provider" || asks == "both" {
					requireProvider(t, s, org.ID, fmt.Sprintf("corp%d.example", n))
				}
				if asks == "a factor" || asks == "both" {
					if err := s.Store.RequireSecondStep(s.Context(), s.Owner(org.ID), org.ID, "", true); err != nil {
						t.Fatal(err)
					}
				}
				b := newBrowser(t, s)
				acc.signIn(t, s, b, u)
				s.Clock.Advance(time.Second) // so that prompt=login is not satisfied already
				client := token.ClientID(org.ID)
				request := authorizeFor(client, slug)
				targets := []string{request}
				if acc.ends[asks] != denied { // the others do not see the org
					more := url.Values{"return": {request}}
					targets = append(targets, "/sign-in/for/"+string(org.ID)+"?"+more.Encode())
				}
				for _, target := range targets {
					at, a := b.follow(target)
					if !strings.HasPrefix(at, ends) {
						t.Errorf("%s: %.20s ends at %s with %d, want %s", who, target, at, a.Status, ends)
					}
					if acc.ends[asks] != enters && !strings.Contains(a.Body, "return") {
						t.Errorf("%s: %s forgets where it was going: %s", who, at, a.Body)
					}
				}
				for _, more := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
					if at, a := b.follow(authorizeFor(client, slug, more...)); a.Status != http.StatusOK {
						t.Errorf("%s, %s: %s with %d", who, more, at, a.Status)
					}
				}
				at, _ := b.follow(authorizeFor(client, slug, "prompt", "none"))
				if !strings.HasPrefix(at, "https://"+slug+".d.example/") {
					t.Errorf("%s, prompt=none: %s", who, at)
				}
			}
		})
	}
}

// signInWith signs in with the password and a code.
func (b *browser) signInWith(email, secret string) {
	b.t.Helper()
	a := b.do("POST", "/sign-in", url.Values{"email": {email}, "password": {controltest.Password}})
	half := regexp.MustCompile(`name="second" value="([^"]+)"`).FindStringSubmatch(a.Body)
	code, err := totp.GenerateCode(secret, b.s.Clock.Now())
	if err != nil || half == nil {
		b.t.Fatalf("%v %d %s", err, a.Status, a.Body)
	}
	if a = b.do("POST", "/sign-in/second", url.Values{"second": {half[1]}, "code": {code}}); a.Status != http.StatusSeeOther {
		b.t.Fatalf("%d %s", a.Status, a.Body)
	}
}

// requireProvider has an org ask for a sign-in at a provider of its own.
func requireProvider(t *testing.T, s *controltest.Server, org registry.OrgID, domain string) {
	t.Helper()
	p := startProvider(t, s, "mia@corp.example")
	as := s.Owner(org)
	for _, err := range []error{
		second(s.Store.AddDomain(s.Context(), as, org, domain, "t")),
		second(s.Store.VerifyDomain(s.Context(), registry.AsOperator(), org, domain, "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Identity.CreateConnection(s.Context(), as, org, registry.ConnectionSpec{
		Name: "Corp", Issuer: p.URL, ClientID: "us", DefaultRole: registry.RoleMember, Required: true,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
}

// TestDenied: the page of somebody who may not enter an org says who they are, on the control plane
// alone, and leads to a sign-in as somebody else and then on. A held member reads why.
func TestDenied(t *testing.T) {
	s := controltest.New(t)
	boss := s.User("boss@example.com", false)
	org := s.Org("acme", boss)
	u := s.User("ada@example.com", false)
	b := newBrowser(t, s)
	b.signIn(u.Email)
	request := authorizeFor(token.ClientID(org.ID), "acme")
	at, a := b.follow(request)
	for _, says := range []string{"have access to acme", "signed in as <strong>ada@example.com</strong>", `href="/sign-in?again=1&amp;other=1&amp;return=%2fauthorize%3f`} {
		if a.Status != http.StatusForbidden || !strings.Contains(a.Body, says) {
			t.Errorf("%d, it does not say %q: %s", a.Status, says, a.Body)
		}
	}
	// One click, and the password of another account.
	back := strings.TrimPrefix(at, "/sign-in/denied?")
	a = b.get("/sign-in?again=1&other=1&" + back)
	if a.Status != http.StatusOK || strings.Contains(a.Body, `value="ada@example.com"`) || b.is() != u.Email {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	q, _ := url.ParseQuery(back)
	a = b.do("POST", "/sign-in", url.Values{"email": {boss.Email}, "password": {controltest.Password}, "return": {q.Get("return")}})
	if at, _ = b.follow(a.Header.Get("Location")); !strings.HasPrefix(at, "https://acme.d.example/.pizzeria/callback?code=") {
		t.Errorf("as another account: %s", at)
	}
	// Where nobody is told which orgs there are, an org and none look the same.
	b.signIn(u.Email)
	_, known := b.follow(authorizeFor(token.HostClientID("acme"), "acme"))
	_, unknown := b.follow(authorizeFor(token.HostClientID("none"), "none"))
	if known.Status != http.StatusNotFound || unknown.Status != http.StatusNotFound ||
		strings.ReplaceAll(dropStamp(known.Body), "acme", "none") != dropStamp(unknown.Body) {
		t.Errorf("%d %s\n%d %s", known.Status, known.Body, unknown.Status, unknown.Body)
	}
	// A link from elsewhere shows nothing, and leads nowhere else.
	for _, to := range []string{"", "/account", "https://evil.example/authorize", "//evil.example/authorize"} {
		if a := b.get("/sign-in/denied?" + url.Values{"return": {to}}.Encode()); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", to, a.Status, a.Header)
		}
	}
}

var stamp = regexp.MustCompile(`asked_at%3d[0-9]+\.[A-Za-z0-9_-]+`)

// dropStamp is a page's own part, without what differs between two requests for the same.
func dropStamp(body string) string {
	_, body, _ = strings.Cut(body, "<main")
	return stamp.ReplaceAllString(body, "")
}
