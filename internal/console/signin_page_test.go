package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// signInWorld is an org with an identity provider of its own, beside one for everybody, and apps.
type signInWorld struct {
	*controltest.Server
	user         registry.User
	acme         registry.OrgID
	gone         registry.OrgID // deleted
	notes, inner registry.ClientID
	lost         registry.ClientID // of the deleted org
}

const notesURI, notesOrigin = "https://notes.example/cb", "https://notes.example"

func newSignInWorld(t testing.TB) signInWorld {
	t.Helper()
	w := signInWorld{Server: controltest.New(t)}
	w.user = w.User("ada@example.com", false)
	w.acme, w.gone = w.Org("acme", w.user).ID, w.Org("gone", w.user).ID
	w.domain(w.acme, "example.com")
	w.Connection("acme-sso", "Acme SSO", w.acme)
	w.Connection("everybody", "Everybody", "")
	for name, at := range map[string]struct {
		id  *registry.ClientID
		org registry.OrgID
	}{"Notes": {&w.notes, ""}, "Inner": {&w.inner, w.acme}, "Lost": {&w.lost, w.gone}} {
		c, _, err := w.Identity.CreateClient(t.Context(), registry.AsOperator(), registry.NewClient{
			Name: name, OrgID: at.org, RedirectURIs: []string{notesURI}, Public: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		*at.id = c.ID
	}
	w.remove(w.gone)
	return w
}

// domain makes an e-mail domain an org's.
func (w signInWorld) domain(org registry.OrgID, name string) {
	w.Helper()
	_, err := w.Store.AddDomain(w.Context(), w.As(w.user), org, name, "t")
	if err == nil {
		_, err = w.Store.VerifyDomain(w.Context(), registry.AsOperator(), org, name, "")
	}
	if err != nil {
		w.Fatal(err)
	}
}

// remove deletes an org, and its instance.
func (w signInWorld) remove(id registry.OrgID) {
	w.Helper()
	ctx, system := w.Context(), registry.AsSystem("test")
	o, err := w.Store.Org(ctx, registry.AsOperator(), id)
	if err != nil {
		w.Fatal(err)
	}
	now := registry.OrgDeletion{Confirm: o.Slug, Now: true}
	if err := w.Store.DeleteOrg(ctx, registry.AsOperator(), id, 0, now); err != nil {
		w.Fatal(err)
	}
	l, err := w.Store.Acquire(ctx, system, id, identity.CodeLife)
	if err != nil {
		w.Fatal(err)
	}
	absent := registry.Report{State: registry.InstanceAbsent}
	if err := w.Store.Report(ctx, system, l, o.Generation, "test", absent); err != nil {
		w.Fatal(err)
	}
}

// by is the browser of a session that was made by a connection.
func (w signInWorld) by(u registry.User, id registry.ConnectionID) *controltest.Client {
	w.Helper()
	system := registry.AsSystem("test")
	_, _, err := w.Store.SignInExternal(w.Context(), system, registry.ExternalSignIn{
		Connection: id, Subject: string(u.ID), Account: u.ID,
	})
	if err != nil {
		w.Fatal(err)
	}
	secret := token.NewSecret()
	_, err = w.Store.CreateSession(w.Context(), system, registry.NewSession{
		Token: secret.Hash(), User: u, Connection: id, AuthTime: w.Clock.Now(),
	})
	if err != nil {
		w.Fatal(err)
	}
	return w.Page(identity.Login{Token: secret})
}

var (
	heading = regexp.MustCompile(`<h1>([^<]*)</h1>`)
	button  = regexp.MustCompile(`<button[^>]*>Sign in with ([A-Z][^<]*)</button>`)
)

func signInPath(back string) string { return "/sign-in?" + url.Values{"return": {back}}.Encode() }

// TestSignInPage: the page says where a person is going only where that may be told, and offers the
// providers for it.
func TestSignInPage(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	org := func(id registry.OrgID) string { return authorizeFor(token.ClientID(id), "acme") }
	unknown := registry.ClientID(registry.NewID())
	host := func(slug string) string { return authorizeFor(token.HostClientID(slug), slug) }
	app := func(id registry.ClientID, uri string) string {
		return authorizeFor(string(id), "acme", "redirect_uri", uri)
	}
	// Signed in by an org's provider, when the org is deleted.
	late := w.Org("late", w.user).ID
	w.domain(late, "late.example")
	w.Connection("late-sso", "Late SSO", late)
	left := w.by(w.User("bob@late.example", false), "late-sso")
	w.remove(late)

	nobody := w.Nobody()
	everybody := []string{"Everybody"}
	both := []string{"Acme SSO", "Everybody"}
	for name, c := range map[string]struct {
		as      *controltest.Client
		back    string
		title   string
		buttons []string
		origin  string // that its forms may lead to, beside those of orgs
	}{
		"the console":          {nobody, "/account", "Sign in", everybody, ""},
		"an org":               {nobody, org(w.acme), "Sign in to acme", both, ""},
		"an unknown org":       {nobody, org(registry.OrgID(registry.NewID())), "Sign in", everybody, ""},
		"a deleted org":        {nobody, org(w.gone), "Sign in", everybody, ""},
		"a host":               {nobody, host("acme"), "Sign in", everybody, ""},
		"an unknown host":      {nobody, host("nobody"), "Sign in", everybody, ""},
		"an app":               {nobody, app(w.notes, notesURI), "Sign in to Notes", everybody, notesOrigin},
		"an app, led astray":   {nobody, app(w.notes, notesURI+"/x"), "Sign in", everybody, ""},
		"an org's app":         {nobody, app(w.inner, notesURI), "Sign in to Inner", both, notesOrigin},
		"an org's app, astray": {nobody, app(w.inner, "https://evil.example"), "Sign in", both, ""},
		"a deleted org's app":  {nobody, app(w.lost, notesURI), "Sign in to Lost", everybody, notesOrigin},
		"an unknown app":       {nobody, app(unknown, notesURI), "Sign in", everybody, ""},
		"no client":            {nobody, authorizeFor("", "acme"), "Sign in", everybody, ""},
		"another page":         {nobody, "/x?client_id=" + token.ClientID(w.acme), "Sign in", everybody, ""},
		"by the org's":         {w.by(w.user, "acme-sso"), "/account", "Sign in", both, ""},
		"by the org's, to it":  {w.by(w.user, "acme-sso"), org(w.acme), "Sign in to acme", both, ""},
		"by a deleted org's":   {left, "/account", "Sign in", everybody, ""},
		"by everybody's": {
			w.by(w.user, "everybody"), org(w.acme), "Sign in to acme",
			[]string{"Everybody", "Acme SSO"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.as.Do("GET", signInPath(c.back)+"&again=1", "")
			if a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if m := heading.FindStringSubmatch(a.Body); m == nil || m[1] != c.title {
				t.Errorf("%q, want %q", m, c.title)
			}
			var buttons []string
			for _, m := range button.FindAllStringSubmatch(a.Body, -1) {
				buttons = append(buttons, m[1])
			}
			if !slices.Equal(buttons, c.buttons) {
				t.Errorf("buttons %q, want %q", buttons, c.buttons)
			}
			policy := a.Header.Get("Content-Security-Policy")
			origin := "https://*.d.example"
			if c.origin != "" {
				origin = c.origin
			}
			if !strings.Contains(policy, "form-action 'self' "+origin+";") {
				t.Errorf("%s", policy)
			}
		})
	}
}

// oneRead is a store that answers once, with what a page to sign in needs. It has nothing else.
type oneRead struct {
	registry.Store
	page func(context.Context, registry.Actor, registry.SignInTo) (registry.SignInPage, error)
	left int
}

// SignInPage implements registry.SignInStore.
func (s *oneRead) SignInPage(
	ctx context.Context, a registry.Actor, to registry.SignInTo,
) (registry.SignInPage, error) {
	s.left--
	return s.page(ctx, a, to)
}

// TestSignInPageReadsOnce: for somebody who is not signed in, the store is asked once.
func TestSignInPageReadsOnce(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	store := &oneRead{page: w.Store.SignInPage}
	log := slog.New(slog.DiscardHandler)
	ids := identity.New(store, controltest.NewKey(t), w.Identity.Site, log, w.Clock.Now)
	pages := &console.Console{Store: store, Identity: ids, Log: log, Now: w.Clock.Now}
	mux := http.NewServeMux()
	if err := pages.Register(mux); err != nil {
		t.Fatal(err)
	}
	for _, back := range []string{
		"/account", authorizeFor(token.ClientID(w.acme), "acme"),
		authorizeFor(string(w.inner), "acme", "redirect_uri", notesURI),
	} {
		store.left = 1
		a := httptest.NewRecorder()
		mux.ServeHTTP(a, httptest.NewRequest("GET", signInPath(back), nil))
		if a.Code != http.StatusOK || store.left != 0 {
			t.Errorf("%s: %d, %d reads are left", back, a.Code, store.left)
		}
	}
}

// BenchmarkSignInPage: the page on the way to an org that has an identity provider.
func BenchmarkSignInPage(b *testing.B) {
	w := newSignInWorld(b)
	path := signInPath(authorizeFor(token.ClientID(w.acme), "acme"))
	nobody := w.Nobody()
	b.ReportAllocs()
	for b.Loop() {
		if a := nobody.Do("GET", path, ""); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}
