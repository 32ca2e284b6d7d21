package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// A post is a form as somebody fills it in.
type post struct {
	s      *controltest.Server // nil: the shared one
	by     *controltest.Client
	page   string // that it is on
	action string
	set    url.Values // what takes effect
	bad    url.Values // what is refused; nil where nothing is
	quiet  bool       // the effect is not in the registry's log
}

// elsewhere are forms of which other tests say what they lead to: they need a provider, a passkey,
// or an account that was just recovered.
var elsewhere = map[string]string{
	"/sign-in/passkey":                        "endtoend.TestPasskeyInBrowser",
	"/sign-in/second":                         "TestSignInKeepsDeepLink",
	"/sign-in/with/{connection}":              "TestSignInKeepsDeepLink",
	"/sign-in/continue":                       "TestSignInCSRF",
	"/sign-in/company":                        "TestSignInAtProviderStaysShort",
	"/forgot":                                 "flows.TestMail",
	"/stop/{token}":                           "flows.TestMail",
	"/verify/{token}":                         "flows.TestMail",
	"/account/email":                          "flows.TestMail",
	"/account/email/verify":                   "flows.TestMail",
	"/account/review":                         "TestReviewComesFirst",
	"/account/second-step":                    "TestRecoveryCodesShownOnce",
	"/account/passkey":                        "endtoend.TestSecondStepInBrowser",
	"/account/identities/{connection}/link":   "TestLinkIsBoundToItsSession",
	"/account/identities/{connection}/remove": "endtoend.TestExternalSignInInBrowser",
	"/platform/users/{user}/identities/{connection}/remove": "endtoend.TestExternalSignInInBrowser",
	"/platform/sign-in":                     "endtoend.TestExternalSignInInBrowser",
	"/orgs/{org}/sign-in":                   "endtoend.TestExternalSignInInBrowser",
	"/orgs/{org}/webhooks/{webhook}/replay": "endtoend.TestBrowserConsole",
	"/platform/webhooks/{webhook}/replay":   "endtoend.TestBrowserConsole",
}

// TestEveryForm: every form that takes effect answers 303 to a page of the console. Sent twice it
// takes effect once, and leads to the same page. One that is refused comes back with everything
// that was typed or chosen, passwords aside.
func TestEveryForm(t *testing.T) {
	t.Parallel()
	w := newForms(t)
	rows := w.rows()
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodPost {
			continue
		}
		make, here := rows[rt.Pattern]
		if _, there := elsewhere[rt.Pattern]; here == there {
			t.Errorf("%s: say what it leads to, once", rt.Pattern)
		}
		if !here {
			continue
		}
		delete(rows, rt.Pattern)
		t.Run(rt.Pattern, func(t *testing.T) { w.check(t, rt, make()) })
	}
	for pattern := range rows {
		t.Errorf("there is no form for %s", pattern)
	}
}

func head(t *testing.T, s *controltest.Server) int64 {
	t.Helper()
	n, err := s.Store.Head(t.Context(), registry.AsSystem("test"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const urlencoded = form

func (w *forms) check(t *testing.T, rt console.Route, p post) {
	s := w.s
	if p.s != nil {
		s = p.s
	}
	fill := func(set url.Values) url.Values {
		page := p.by.Want(t, 200, "GET", p.page, "").Body
		forms := formsOf(t, page)
		form := forms[p.action]
		if p.action == p.page && form == nil {
			form = forms[""]
		}
		if form == nil {
			t.Fatalf("%s has no form for %s: %s", p.page, p.action, page)
		}
		for name, v := range set {
			form[name] = v
		}
		return form
	}
	if p.bad != nil {
		before, form := head(t, s), fill(p.bad)
		a := p.by.With("Content-Type", urlencoded, "Origin", controltest.Issuer).
			Do("POST", p.action, form.Encode())
		if a.Status < 400 || a.Status >= 500 || head(t, s) != before {
			t.Errorf("%v: %d to %s", p.bad, a.Status, a.Header.Get("Location"))
		}
		forms := formsOf(t, a.Body)
		back := forms[p.action]
		if back == nil {
			back = forms[""]
		}
		for name, v := range form {
			switch {
			case name == "form_nonce" || name == "form_seen":
			case strings.HasSuffix(name, "password") || name == "client_secret":
				if v[0] != "" && strings.Contains(a.Body, v[0]) {
					t.Errorf("%s comes back", name)
				}
			case !slices.Equal(back[name], v):
				t.Errorf("%s was %q, and comes back as %q", name, v, back[name])
			}
		}
		if strings.Contains(a.Body, "data-live=") {
			t.Error("the page would load itself from the form's address")
		}
		if !strings.Contains(a.Body, `class="error" role="alert"`) {
			t.Errorf("nothing says what is wrong: %s", a.Body)
		}
	}
	form, before := fill(p.set), head(t, s)
	send := func() string {
		a := submit(t, p.by, http.StatusSeeOther, p.action, form)
		to := a.Header.Get("Location")
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.TrimSpace(a.Body) != "" {
			t.Errorf("it leads to %q: %s", to, a.Body)
		}
		return to
	}
	first, after := send(), head(t, s)
	if after == before && !p.quiet {
		t.Error("it had no effect")
	}
	if rt.Public { // whoever has no session has no answer kept: links and passwords do it
		a := p.by.With("Content-Type", urlencoded, "Origin", controltest.Issuer).Do("POST", p.action,
			form.Encode())
		if a.Status >= 500 {
			t.Errorf("sent twice: %d %s", a.Status, a.Body)
		}
	} else if strings.HasPrefix(p.action, "/account/") &&
		p.by.Do("GET", "/account", "").Status != 200 {
		return // it ended its own session
	} else if second := send(); second != first {
		t.Errorf("sent twice, it leads to %q and %q", first, second)
	}
	if n := head(t, s); n != after && !rt.Public {
		t.Errorf("sent twice, it has %d effects more", n-after)
	}
}

// forms is an installation with something for every form to work on.
type forms struct {
	*testing.T
	s         *controltest.Server
	ada, root registry.User // owner of acme; platform admin
	own, plat *controltest.Client
	acme      registry.Org
}

func newForms(t *testing.T) *forms {
	s := controltest.New(t)
	s.Schema = registry.Schema{
		Fields: []registry.Field{
			{Name: "COLOUR", Type: registry.FieldText}, {Name: "COUNT", Type: registry.FieldNumber},
			{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", "m"}},
		}, Allow: []string{"APP_*"},
	}
	w := &forms{T: t, s: s, ada: s.User("ada@example.com", false),
		root: s.User("root@example.com", true)}
	w.acme = s.Org("acme", w.ada)
	w.own, w.plat = s.Page(s.SignIn(w.ada)), s.Page(s.SignIn(w.root))
	return w
}

// made is the ID of what a call of the API makes.
func (w *forms) made(c *controltest.Client, path, body string) string {
	w.Helper()
	a := c.Do("POST", "/api/v1"+path, body)
	var v struct {
		ID                                     string
		Key, Webhook, Invite, Client, Approval struct{ ID string }
	}
	if a.Status/100 != 2 {
		w.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	a.Decode(w, &v)
	return v.ID + v.Key.ID + v.Webhook.ID + v.Invite.ID + v.Client.ID + v.Approval.ID
}

// person is another account, signed in.
func (w *forms) person(name string) (registry.User, *controltest.Client) {
	u := w.s.User(name+"@example.com", false)
	return u, w.s.Page(w.s.SignIn(u))
}

// org is another org of the same owner.
func (w *forms) org(slug string) string {
	w.s.Org(slug, w.ada)
	return "/orgs/" + slug
}

// plan defines a plan, and returns its page.
func (w *forms) plan(name string) string {
	must(w.s.Store.CreatePlan(w.s.Context(), registry.AsOperator(), registry.Plan{Name: name}))
	return "/platform/plans/" + name
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func vals(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

var long = strings.Repeat("x", 600)

// simple is a form of a page that is one button.
func simple(by *controltest.Client, page, action string) post {
	return post{by: by, page: page, action: action}
}

func (w *forms) rows() map[string]func() post {
	return merge(w.accountForms(), w.platformForms(), w.orgForms(), w.publicForms())
}

func merge(all ...map[string]func() post) map[string]func() post {
	rows := map[string]func() post{}
	for _, m := range all {
		maps.Copy(rows, m)
	}
	return rows
}
