package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// A post is a form as somebody fills it in.
type post struct {
	s      *servertest.Server // nil: the shared one
	by     *servertest.Client
	page   string // that it is on
	action string
	set    url.Values // what takes effect
	bad    url.Values // what is refused; nil where nothing is
	quiet  bool       // the effect is not in the registry's log
}

// elsewhere are forms of which other tests say what they lead to: they need a provider, a passkey, or
// an account that was just recovered.
var elsewhere = map[string]string{
	"/sign-in/passkey":                        "endtoend.TestPasskeyInBrowser",
	"/sign-in/second":                         "TestSignInKeepsDeepLink",
	"/sign-in/with/{connection}":              "TestSignInKeepsDeepLink",
	"/sign-in/continue":                       "TestSignInCSRF",
	"/sign-in/company":                        "TestSignInAtProviderStaysShort",
	"/forgot":                                 "endtoend.TestMail",
	"/stop/{token}":                           "endtoend.TestMail",
	"/verify/{token}":                         "endtoend.TestMail",
	"/account/email":                          "endtoend.TestMail",
	"/account/email/verify":                   "endtoend.TestMail",
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

// TestEveryForm: every form that takes effect answers 303 to a page of the console. Sent twice it takes
// effect once, and leads to the same page. One that is refused comes back with everything that was
// typed or chosen, passwords aside.
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

func head(t *testing.T, s *servertest.Server) int64 {
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
		a := p.by.With("Content-Type", urlencoded, "Origin", servertest.Issuer).
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
		a := p.by.With("Content-Type", urlencoded, "Origin", servertest.Issuer).Do("POST", p.action, form.Encode())
		if a.Status >= 500 {
			t.Errorf("sent twice: %d %s", a.Status, a.Body)
		}
	} else if strings.HasPrefix(p.action, "/account/") && p.by.Do("GET", "/account", "").Status != 200 {
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
	s         *servertest.Server
	ada, root registry.User // owner of acme; platform admin
	own, plat *servertest.Client
	acme      registry.Org
}

func newForms(t *testing.T) *forms {
	s := servertest.New(t)
	s.Schema = registry.Schema{
		Fields: []registry.Field{
			{Name: "COLOUR", Type: registry.FieldText}, {Name: "COUNT", Type: registry.FieldNumber},
			{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", "m"}},
		}, Allow: []string{"APP_*"},
	}
	w := &forms{T: t, s: s, ada: s.User("ada@example.com", false), root: s.User("root@example.com", true)}
	w.acme = s.Org("acme", w.ada)
	w.own, w.plat = s.Page(s.SignIn(w.ada)), s.Page(s.SignIn(w.root))
	return w
}

// made is the ID of what a call of the API makes.
func (w *forms) made(c *servertest.Client, path, body string) string {
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
func (w *forms) person(name string) (registry.User, *servertest.Client) {
	u := w.s.User(name+"@example.com", false)
	return u, w.s.Page(w.s.SignIn(u))
}

// org is another org of the same owner.
func (w *forms) org(slug string) string {
	w.s.Org(slug, w.ada)
	return "/orgs/" + slug
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
func simple(by *servertest.Client, page, action string) post {
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

func (w *forms) accountForms() map[string]func() post {
	const page = "/account"
	return map[string]func() post{
		"/account/name": func() post {
			return post{by: w.own, page: page, action: page + "/name", set: vals("name", "Ada"), bad: vals("name", long)}
		},
		"/account/password": func() post {
			_, c := w.person("password")
			return post{
				by: c, page: page, action: page + "/password",
				set: vals("old_password", servertest.Password, "password", "another long one for me"),
				bad: vals("old_password", "wrong but typed", "password", "another long one for me"),
			}
		},
		"/account/second-step/{factor}/remove": func() post {
			u, c := w.person("factor")
			addFactor(w.T, w.s, u)
			list := must(w.s.Store.Factors(w.s.Context(), w.s.As(u), u.ID))
			return post{
				by: c, page: page, action: page + "/second-step/" + string(list[0].ID) + "/remove",
				set: vals("old_password", servertest.Password), bad: vals("old_password", "wrong but typed"),
			}
		},
		"/account/recovery-codes": func() post {
			u, c := w.person("codes")
			addFactor(w.T, w.s, u)
			return post{
				by: c, page: page, action: page + "/recovery-codes",
				set: vals("old_password", servertest.Password), bad: vals("old_password", "wrong but typed"),
			}
		},
		"/account/sessions/end": func() post {
			u, c := w.person("sessions")
			w.s.SignIn(u)
			return simple(c, page, page+"/sessions/end")
		},
		"/account/sessions/{session}/end": func() post {
			u, c := w.person("session")
			return simple(c, page, page+"/sessions/"+string(w.s.SignIn(u).Session.ID)+"/end")
		},
		"/account/keys": func() post {
			return post{
				by: w.own, page: page, action: page + "/keys",
				set: vals("key_name", "A", "scope", "org:read"),
				bad: vals("key_name", long, "scope", "org:read", "scope", "org:write", "days", "7"),
			}
		},
		"/account/keys/{key}/revoke": func() post {
			id := w.made(w.own, "/me/keys", `{"name":"A","scopes":["org:read"]}`)
			return simple(w.own, page, page+"/keys/"+id+"/revoke")
		},
		"/account/delete": func() post {
			u, c := w.person("leaver")
			return post{
				by: c, page: page + "/delete", action: page + "/delete",
				set: vals("confirm", u.Email), bad: vals("confirm", "other", "runners", "revoke"),
			}
		},
		"/theme": func() post {
			return post{by: w.own, page: page, action: "/theme", set: vals("theme", "dark"), quiet: true}
		},
	}
}

func (w *forms) platformForms() map[string]func() post {
	const apps, hooks, users = "/platform/apps", "/platform/webhooks", "/platform/users/"
	app := func(name string) string {
		return w.made(w.plat, "/clients", `{"name":"`+name+`","redirect_uris":["https://example.com/"]}`)
	}
	user := func(name, action string, more ...string) func() post {
		return func() post {
			u, _ := w.person(name)
			return post{by: w.plat, page: users + string(u.ID), action: users + string(u.ID) + action, set: vals(more...)}
		}
	}
	rows := map[string]func() post{
		apps: func() post {
			return post{
				by: w.plat, page: apps, action: apps,
				set: vals("name", "App", "redirect_uris", "https://example.com/"),
				bad: vals("name", "App", "redirect_uris", "ftp://example.com", "logout_uris", "https://example.com/out", "org", "acme", "id_token_alg", "RS256", "public", "1"),
			}
		},
		apps + "/{client}/secret":        func() post { return simple(w.plat, apps, apps+"/"+app("A")+"/secret") },
		apps + "/{client}/delete":        func() post { return simple(w.plat, apps, apps+"/"+app("B")+"/delete") },
		"/platform/sign-in/{connection}": func() post { return w.connection("", "/platform/sign-in", "c1", "") },
		"/platform/sign-in/{connection}/delete": func() post {
			return w.connection("", "/platform/sign-in", "c2", "/delete")
		},
		users + "{user}/disable": func() post {
			u, _ := w.person("disable")
			page := users + string(u.ID) + "/disable"
			return post{
				by: w.plat, page: page, action: page, set: vals("reason", "left"),
				bad: vals("reason", long, "runners", "revoke", "last_owner", "1"),
			}
		},
		users + "{user}/enable": func() post {
			u, _ := w.person("enable")
			must(w.s.Store.DisableUser(w.s.Context(), registry.AsOperator(), u.ID, registry.DisableUser{}))
			return simple(w.plat, users+string(u.ID), users+string(u.ID)+"/enable")
		},
		users + "{user}/delete": func() post {
			u, _ := w.person("deleted")
			page := users + string(u.ID) + "/delete"
			return post{
				by: w.plat, page: page, action: page, set: vals("confirm", u.Email),
				bad: vals("confirm", "other", "runners", "revoke"),
			}
		},
		users + "{user}/admin":         user("admin", "/admin"),
		users + "{user}/verify":        user("verify", "/verify"),
		users + "{user}/password-link": user("link", "/password-link"),
		users + "{user}/sign-out":      user("out", "/sign-out"),
		users + "{user}/second-step/remove": func() post {
			u, _ := w.person("second")
			addFactor(w.T, w.s, u)
			return simple(w.plat, users+string(u.ID), users+string(u.ID)+"/second-step/remove")
		},
	}
	return merge(rows, w.webhookForms(w.plat, hooks, hooks, "/webhooks"))
}

func (w *forms) webhookForms(by *servertest.Client, page, pattern, api string) map[string]func() post {
	hook := func(action string, quiet bool) func() post {
		return func() post {
			id := w.made(by, api, `{"url":"https://example.com/hook"}`)
			return post{by: by, page: page, action: page + "/" + id + action, quiet: quiet}
		}
	}
	return map[string]func() post{
		pattern: func() post {
			return post{
				by: by, page: page, action: page, set: vals("url", "https://example.com/hook"),
				bad: vals("url", "http://example.com/hook", "event", "member.added", "event", "member.removed"),
			}
		},
		pattern + "/{webhook}/test":   hook("/test", true),
		pattern + "/{webhook}/active": hook("/active", false),
		pattern + "/{webhook}/delete": hook("/delete", false),
	}
}

// connection is a form about a connection of an org, or of the operator.
func (w *forms) connection(org registry.OrgID, page, id, action string) post {
	spec := registry.ConnectionSpec{Name: "Old", Issuer: "https://login.example.com", ClientID: "us"}
	by, as := w.plat, registry.AsOperator()
	bad := vals("name", long, "sign_up", "1", "client_secret", "typed secret", "scopes", "a b")
	if org != "" {
		by, as, spec.DefaultRole = w.own, w.s.Owner(org), registry.RoleMember
		bad = vals("name", "New", "roles_claim", "groups", "roles", "nonsense\r\nhere",
			"default_role", "admin", "trust_email", "1", "required", "1", "client_secret", "typed secret")
	}
	must(w.s.Store.CreateConnection(w.s.Context(), as, registry.Connection{
		ID: registry.ConnectionID(id), OrgID: org, Kind: registry.ConnectionOIDC, ConnectionSpec: spec,
	}))
	p := post{by: by, page: page, action: page + "/" + id + action}
	if action == "" {
		p.set, p.bad = vals("name", "New"), bad
	}
	return p
}

func (w *forms) orgForms() map[string]func() post {
	const acme = "/orgs/acme"
	member := func(name string) registry.User {
		return w.s.Member(w.acme.ID, name+"@example.com", registry.RoleMember)
	}
	runner := func(action string) func() post {
		return func() post {
			w.s.Runner(w.acme.ID, w.s.SignIn(w.ada))
			p := must(w.s.Store.Runners(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID, registry.RunnerList{}))
			return post{by: w.own, page: acme + "/runners", action: acme + "/runners/" + string(p.Items[0].ID) + action}
		}
	}
	invite := func(email, action string) func() post {
		return func() post {
			made := w.made(w.own, acme+"/invites", `{"email":"`+email+`@example.com","role":"member"}`)
			return simple(w.own, acme+"/members", acme+"/invites/"+made+action)
		}
	}
	support := func(action string, set ...string) func() post {
		return func() post {
			u := w.s.User("helper"+strings.ReplaceAll(action, "/", "")+"@example.com", true)
			made := w.made(w.s.Page(w.s.SignIn(u)), acme+"/support", `{"reason":"x","hours":1}`)
			return post{by: w.own, page: acme + "/members", action: acme + "/support/" + made + action, set: vals(set...)}
		}
	}
	approval := func(email, action string, by func() *servertest.Client) func() post {
		return func() post {
			made := w.made(w.plat, acme+"/invites", `{"email":"`+email+`@example.com","role":"member"}`)
			return simple(by(), acme+"/members", acme+"/approvals/"+made+action)
		}
	}
	owner := func() *servertest.Client { return w.own }
	one := func(slug, action string, set, bad url.Values) func() post {
		return func() post {
			page := w.org(slug)
			return post{by: w.plat, page: page, action: page + action, set: set, bad: bad}
		}
	}
	domain := func(name, action string) func() post {
		return func() post {
			must(w.s.Store.AddDomain(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID, name, "t"))
			return post{
				by: w.plat, page: acme + "/sign-in", action: acme + "/sign-in/domains/" + name + action,
				set: vals("vouch", "1"),
			}
		}
	}
	rows := map[string]func() post{
		"/orgs": func() post {
			return post{
				by: w.plat, page: "/orgs/new", action: "/orgs", set: vals("name", "New", "slug", "fresh"),
				bad: vals("name", "New", "slug", "acme"),
			}
		},
		"/orgs/{org}/invites": func() post {
			return post{
				by: w.own, page: acme + "/members", action: acme + "/invites",
				set: vals("email", "kim@example.com"), bad: vals("email", "\r\nlee@example.com\r\n</textarea>"+hostile, "role", "admin"),
			}
		},
		"/orgs/{org}/invites/{invite}/resend": invite("resend", "/resend"),
		"/orgs/{org}/invites/{invite}/revoke": invite("revoke", "/revoke"),
		"/orgs/{org}/members/{user}/role": func() post {
			return post{
				by: w.own, page: acme + "/members", action: acme + "/members/" + string(member("role").ID) + "/role",
				set: vals("role", "admin"),
			}
		},
		"/orgs/{org}/members/{user}/remove": func() post {
			page := acme + "/members/" + string(member("remove").ID) + "/remove"
			return simple(w.own, page, page)
		},
		"/orgs/{org}/members/{user}/transfer": func() post {
			page := w.org("handed")
			o := must(w.s.Store.OrgBySlug(w.s.Context(), registry.AsOperator(), "handed"))
			u := w.s.Member(o.ID, "transfer@example.com", registry.RoleMember)
			page += "/members/" + string(u.ID) + "/transfer"
			return simple(w.own, page, page)
		},
		"/orgs/{org}/support": func() post {
			return post{
				by: w.plat, page: acme + "/members", action: acme + "/support", set: vals("reason", "x"),
				bad: vals("reason", long, "role", "admin", "hours", "9"),
			}
		},
		"/orgs/{org}/support/{support}":            support("", "answer", "approve"),
		"/orgs/{org}/support/{support}/end":        support("/end"),
		"/orgs/{org}/approvals/{approval}/approve": approval("approve", "/approve", owner),
		"/orgs/{org}/approvals/{approval}/refuse":  approval("refuse", "/refuse", owner),
		"/orgs/{org}/approvals/{approval}/end":     approval("end", "/end", func() *servertest.Client { return w.plat }),
		"/orgs/{org}/settings": func() post {
			return post{
				by: w.own, page: acme + "/settings", action: acme + "/settings", set: vals("set.COLOUR", "red"),
				bad: vals("set.COLOUR", hostile, "set.COUNT", "many", "set.SIZE", "m", "new_name", "APP_X", "new_value", "x"),
			}
		},
		"/orgs/{org}/name": func() post {
			return post{
				by: w.own, page: acme + "/settings", action: acme + "/name", set: vals("name", "Acme"), bad: vals("name", long),
			}
		},
		"/orgs/{org}/rename": func() post {
			page := w.org("before")
			return post{
				by: w.own, page: page + "/settings", action: page + "/rename", set: vals("slug", "behind"),
				bad: vals("slug", "acme"),
			}
		},
		"/orgs/{org}/sign-in/second-step": func() post {
			page := w.org("twofold") + "/sign-in"
			return post{by: w.own, page: page, action: page + "/second-step", set: vals("required", "1")}
		},
		"/orgs/{org}/sign-in/domains": func() post {
			return post{
				by: w.own, page: acme + "/sign-in", action: acme + "/sign-in/domains",
				set: vals("domain", "one.example"), bad: vals("domain", "not a domain"),
			}
		},
		"/orgs/{org}/sign-in/domains/{domain}/verify": domain("two.example", "/verify"),
		"/orgs/{org}/sign-in/domains/{domain}/remove": domain("three.example", "/remove"),
		"/orgs/{org}/sign-in/{connection}": func() post {
			return w.connection(w.acme.ID, acme+"/sign-in", "c3", "")
		},
		"/orgs/{org}/sign-in/{connection}/delete": func() post {
			return w.connection(w.acme.ID, acme+"/sign-in", "c4", "/delete")
		},
		"/orgs/{org}/keys": func() post {
			return post{
				by: w.own, page: acme + "/keys", action: acme + "/keys",
				set: vals("key_name", "A", "scope", "org:read"),
				bad: vals("key_name", long, "role", "admin", "scope", "org:read", "scope", "org:write", "days", "366"),
			}
		},
		"/orgs/{org}/keys/{key}/revoke": func() post {
			made := w.made(w.own, acme+"/keys", `{"name":"A","role":"member","scopes":["org:read"]}`)
			return simple(w.own, acme+"/keys", acme+"/keys/"+made+"/revoke")
		},
		"/orgs/{org}/runners": func() post {
			return post{
				by: w.own, page: acme + "/runners", action: acme + "/runners", set: vals("runner_name", "build"),
				bad: vals("runner_name", long, "days", "7"),
			}
		},
		"/orgs/{org}/runners/{runner}/disconnect": runner("/disconnect"),
		"/orgs/{org}/runners/{runner}/revoke":     runner("/revoke"),
		"/orgs/{org}/suspend":                     one("halted", "/suspend", vals("reason", "unpaid"), vals("reason", long)),
		"/orgs/{org}/restart": func() post {
			page := w.org("restarted")
			return simple(w.own, page, page+"/restart")
		},
		"/orgs/{org}/resume": func() post {
			page := w.org("resumed")
			w.plat.Want(w, 200, "POST", "/api/v1"+page+"/suspend", `{"reason":"x"}`)
			return simple(w.plat, page, page+"/resume")
		},
		"/orgs/{org}/delete": func() post {
			page := w.org("deleted") + "/delete"
			return post{by: w.own, page: page, action: page, set: vals("confirm", "deleted"), bad: vals("confirm", "other")}
		},
		"/orgs/{org}/keep": func() post {
			page := w.org("kept")
			w.own.Want(w, 202, "DELETE", "/api/v1"+page+"?confirm=kept", "")
			return simple(w.own, page, page+"/keep")
		},
	}
	return merge(rows, w.webhookForms(w.own, acme+"/webhooks", "/orgs/{org}/webhooks", acme+"/webhooks"))
}

func (w *forms) publicForms() map[string]func() post {
	nobody := w.s.Nobody()
	link := func(email string) string {
		_, link, err := w.s.Identity.Invite(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID, email+"@example.com", registry.RoleMember)
		return strings.TrimPrefix(must(link, err), servertest.Issuer)
	}
	return map[string]func() post{
		"/sign-in": func() post {
			return post{
				by: nobody, page: "/sign-in", action: "/sign-in", quiet: true,
				set: vals("email", w.ada.Email, "password", servertest.Password),
				bad: vals("email", w.ada.Email, "password", "wrong but typed"),
			}
		},
		"/sign-out": func() post {
			_, c := w.person("signs-out")
			return post{by: c, page: "/account", action: "/sign-out", quiet: true}
		},
		"/device": func() post {
			cli := identity.Credentials{ID: string(registry.CLIClient)}
			d, err := w.s.Identity.BeginDevice(w.s.Context(), cli, identity.Client{Address: "192.0.2.1"})
			code := must(d, err).UserCode
			return post{
				by: w.own, page: "/device?user_code=" + code, action: "/device",
				set: vals("answer", "approve"), quiet: true,
			}
		},
		"/invite/{token}": func() post {
			page := link("joins")
			return post{
				by: nobody, page: page, action: page, set: vals("name", "Jo", "password", servertest.Password),
				bad: vals("name", "Jo", "password", "short1"),
			}
		},
		"/invite/{token}/decline": func() post {
			page := link("declines")
			return simple(nobody, page, page+"/decline")
		},
		"/reset/{token}": func() post {
			u, _ := w.person("resets")
			_, link, err := w.s.Identity.ResetLink(w.s.Context(), registry.AsOperator(), u.ID)
			page := strings.TrimPrefix(must(link, err), servertest.Issuer)
			return post{
				by: nobody, page: page, action: page, set: vals("password", "another long one for me"),
				bad: vals("password", "short1"),
			}
		},
		"/setup/{token}": func() post {
			s := servertest.New(w.T)
			link, _, err := s.Identity.SetupLink(s.Context())
			page := strings.TrimPrefix(must(link, err), servertest.Issuer)
			return post{
				s: s, by: s.Nobody(), page: page, action: page,
				set: vals("name", "Ada", "email", "ada@example.com", "password", "another long one for me"),
				bad: vals("name", "Ada", "email", "ada@example.com", "password", "short1"),
			}
		},
	}
}
