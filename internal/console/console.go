// Package console serves the pages of the control plane: plain forms that work without script,
// kept current by server-sent events and a small script where there is one.
//
// Every page that changes something is a POST from the console's own origin.
// The registry decides who may; a page only leaves out what would be refused.
package console

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

//go:embed templates static
var files embed.FS

// Store is what the console needs of the registry.
type Store interface {
	registry.Management
	registry.ReturnReader
	registry.FactorReader
	registry.RecoveryReader
	registry.DraftStore
}

// Usage is what the console needs of usage.Recorder.
type Usage interface {
	History(
		ctx context.Context, s usage.HistoryStore, a registry.Actor, org registry.OrgID,
		over usage.Range,
	) ([]registry.UsagePoint, error)
	Recent(orgs []registry.OrgID, bins int) map[registry.OrgID][]int64
}

// Console serves the pages.
type Console struct {
	Store    Store
	Identity *identity.Service
	Log      *slog.Logger
	Now      func() time.Time
	// Isolation says what separates the instances of a provider; "": of all of them.
	Isolation func(provider string) string
	Ended     func() <-chan struct{} // closed when live pages should end
	Settings  *settings.Service
	Webhooks  *webhook.Sender
	Usage     Usage
	Quotas    *usage.Quotas
	Capacity  func() usage.Capacity
	Operator  func() Operator
	// Connections is how many WebSockets and streams a session has open.
	Connections func(registry.SessionID) int
	// Outdated are the instances that keep an earlier configuration: their generations, by org.
	Outdated func() map[registry.OrgID]int64
	// Image is what a generation of an org's instance runs, by digest; "" when that is not known.
	Image func(org registry.OrgID, generation int64) string
	// Count puts what the machine of an instance counts into its heartbeat.
	Count func(*registry.Instance)
	// Logs reads what an org's instance prints: its newest lines, and with follow what comes.
	Logs web.Logs

	pages map[string]*template.Template
	forms *http.ServeMux // the pages that forms are on
}

// Register parses the pages and adds the routes to a mux.
func (c *Console) Register(mux *http.ServeMux) error {
	c.pages = map[string]*template.Template{}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	shared := []string{"templates/layout.html", "templates/parts.html"}
	for _, name := range names {
		t, err := template.New("layout.html").Funcs(c.funcs()).ParseFS(files, append(shared, name)...)
		if err != nil {
			return err
		}
		c.pages[name[len("templates/"):]] = t
	}
	if err := registerStatic(mux); err != nil {
		return err
	}
	c.forms = http.NewServeMux()
	c.forms.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	for _, rt := range Routes() {
		if rt.Method == http.MethodGet {
			c.forms.HandleFunc("GET "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) {
				s := sentOf(r.Context())
				s.failed = rt.serve(c, w, r, s.who)
			})
		}
		mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) { c.serve(rt, w, r) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, web.Caller{}, registry.Errorf(registry.CodeNotFound, "", "There is no page at this address."))
	})
	return nil
}

// HoldsSecret reports whether a request's URL holds a one-time link, or leads back to one after a
// sign-in: an access log would hold what lets somebody in. A POST of a sign-in is never hidden: its
// link is in the form.
func HoldsSecret(r *http.Request) bool {
	return oneTimeLink(r.URL.Path) || r.Method != http.MethodPost && returnsToLink(r.URL)
}

func returnsToLink(u *url.URL) bool {
	if u.Path != "/sign-in" && !strings.HasPrefix(u.Path, "/sign-in/") {
		return false
	}
	back, err := url.Parse(u.Query().Get("return"))
	return err == nil && (oneTimeLink(back.Path) || returnsToLink(back))
}

func oneTimeLink(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "setup", "invite", "reset", "verify", "stop":
		return rest != ""
	}
	return false
}

const maxForm = 64 << 10

func (c *Console) serve(rt Route, w http.ResponseWriter, r *http.Request) {
	site := c.Identity.Site()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, forms would come from the origin null
	if HoldsSecret(r) {
		h.Set("Referrer-Policy", "strict-origin") // access logs hold the referrers of styles and images
	}
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.secure(w, site.OrgOrigins())
	if rt.Method == http.MethodPost {
		if !web.SameOrigin(r, site.Issuer) {
			c.problem(w, r, web.Caller{}, registry.Errorf(registry.CodeForbidden, "", "This form was sent from another site."))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.problem(w, r, web.Caller{}, registry.Errorf(registry.CodeInvalid, "", "The form could not be read."))
			return
		}
		r = c.receive(r)
	}
	caller := web.Who
	if r.Header.Get("Sec-Fetch-Dest") == "empty" { // a live page fetches itself, whoever looks at it
		caller = web.StillWho
	}
	who, err := caller(c.Identity, r)
	if err == nil && who.Session.ID == "" {
		who = web.Caller{Client: who.Client} // pages are for browsers: no tokens here
		if !rt.Public {
			c.toSignIn(w, r, who)
			return
		}
	}
	if err == nil && !rt.Public && sentOf(r.Context()).ofSomebodyElse(who) {
		c.toSignIn(w, r, who)
		return
	}
	if err == nil && who.Actor.MustReview() && !beforeReview(rt) {
		c.toReview(w, r, wire.CameFrom(r, site.Issuer))
		return
	}
	if err == nil && (rt.Fresh || registry.NeedsFresh(rt.Action)) && who.MayNow(c.Identity.Now()) != nil {
		c.signInAgain(w, r, c.backTo(r, who))
		return
	}
	if err == nil {
		err = c.once(rt, w, r, who)
	}
	if registry.ErrorCode(err) == registry.CodeNotFound && c.toRenamed(w, r, rt.Pattern, who) {
		return
	}
	if registry.ErrorCode(err) == registry.CodeReauthenticationNeeded && who.Session.ID != "" {
		err = c.more(w, r, who, registry.LackOf(err), c.backTo(r, who))
	}
	if err != nil && !c.onItsPage(w, r, who, err) {
		c.problem(w, r, who, err)
	}
}

// secure says what a page may do. Its forms may lead to an origin: after sign-in the browser is
// redirected there, and Chromium applies form-action to that too.
func (c *Console) secure(w http.ResponseWriter, origin string) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' "+origin+"; frame-ancestors 'none'; base-uri 'none'")
}

// toSignIn asks for a sign-in. A form that was sent is kept for the account that opened its page.
func (c *Console) toSignIn(w http.ResponseWriter, r *http.Request, who web.Caller) {
	if wire.Safe(r.Method) {
		c.toSignInFor(w, r, wire.CameFrom(r, c.Identity.Site().Issuer))
		return
	}
	back := c.backTo(r, web.Caller{})
	v := view{
		Title: "You are signed out", Who: who, Form: url.Values{"return": {back}},
		Data: strings.HasPrefix(back, continuePath),
	}
	status := http.StatusUnauthorized
	if who.Actor.Valid() {
		v.Title, status = "You are signed in as somebody else", http.StatusConflict
	}
	if err := c.show(w, r, status, "ended.html", v); err != nil {
		c.problem(w, r, web.Caller{}, err)
	}
}

// toSignInFor asks for a sign-in, and then leads on.
func (c *Console) toSignInFor(w http.ResponseWriter, r *http.Request, back string) {
	http.Redirect(w, r, "/sign-in?"+url.Values{"return": {back}}.Encode(), http.StatusSeeOther)
}

// signInAgain asks for the password, and comes back to the page that asked for more than a session of long ago.
func (c *Console) signInAgain(w http.ResponseWriter, r *http.Request, back string) {
	http.Redirect(w, r, "/sign-in?"+url.Values{"return": {back}, "again": {"1"}}.Encode(), http.StatusSeeOther)
}

func (c *Console) funcs() template.FuncMap {
	return template.FuncMap{
		"minutes": func(s registry.Seconds) string {
			if s == 0 {
				return ""
			}
			return strconv.Itoa(int(s / 60))
		},
		"ago":   func(t time.Time) string { return ago(c.Now().Sub(t)) },
		"asset": func(name string) string { return "/static/" + name + "?v=" + assetVersion(name) },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"status": func(v registry.OrgView) status {
			return statusOf(v)
		},
		"retry": func(i registry.Instance) time.Time { return retryOf(i, c.Now()) },
		"state": stateOf, "runner": c.runnerState, "delivery": deliveryOf, "happened": happened, "steps": stepsOf, "spark": spark, "device": device, "next": nextPage, "sort": sortLink,
		"rail": func() []section { return sections }, "tabs": func() []tab { return tabs },
		"connection": formOf,
		"themes":     func() []string { return []string{"auto", "light", "dark"} },
		"ranges":     func() []usage.Range { return []usage.Range{usage.Hour, usage.Day, usage.Week} },
		"statuses":   func() []string { return []string{"provisioning", "active", "suspended", "deleting"} },
		"states":     registry.InstanceStates,
		"days":       func() []int { return dormantDays }, "userFilters": func() map[string]string { return userFilters },
		"actions":   registry.AuditActions,
		"label":     func(label, value string) map[string]string { return map[string]string{"Label": label, "Value": value} },
		"isolation": func(provider string) string { return c.Isolation(provider) },
		"limits":    inputsOf, "limitList": limitList,
		"size": size, "health": healthOf,
	}
}
