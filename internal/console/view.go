package console

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// view is what every page gets.
type view struct {
	Title string
	Who   web.Caller
	Site  token.Site
	Orgs  []registry.OrgView // of the switcher
	Org   *registry.OrgView
	Tab   string
	Error string
	// FormPage is where the page's form comes from; "" = from the page itself.
	FormPage string
	Stale    bool // somebody else saved what the form edits meanwhile
	Field    string
	Form     url.Values
	Data     any
	Request  string
	Query    url.Values
	Path     string // of this page, to come back to
	Section  string // of the rail
	Theme    string // light or dark; "" = as the system is
	Live     string // address of the page's event stream; "" = the page stays as it was loaded
	LiveID   string // the version that the page shows; see liveVersion
	Done     string // what was just done
	Log      string // what a server printed that does not run yet
	Image    string // what a server runs, by digest, for platform admins
}

// Operator is what the operator's configuration says, for the platform admin to see.
type Operator struct {
	Mail         bool // whether mail is sent
	Providers    []string
	OfflineGrace time.Duration
	Sessions     registry.Lifetimes
	WebhookAllow []netip.Prefix
	Schema       registry.Schema
}

// ThemeOrAuto names the theme in use for its button.
func (v view) ThemeOrAuto() string {
	if v.Theme == "" {
		return "auto"
	}
	return v.Theme
}

// May reports whether the caller may do an action in the page's org.
func (v view) May(action registry.Action) bool {
	var role registry.Role
	if v.Org != nil {
		role = v.Org.Role
	}
	return registry.Allows(v.Who.Actor, role, action)
}

// Kept reports whether the page's org is being deleted and can still be kept.
func (v view) Kept() bool {
	return v.Org != nil && v.Org.Status == registry.OrgDeleting && v.Org.Instance.Desired != registry.DesiredAbsent
}

// signInStep are the pages between the forms of one sign-in, which a reload merely begins again.
var signInStep = map[string]bool{"second.html": true, "go.html": true}

// show renders a page. It is rendered whole before the first byte is sent.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, page string, v view) error {
	v.Site, v.Request, v.Query, v.Theme = c.Identity.Site(), wire.RequestID(r.Context()), r.URL.Query(), themeOf(r)
	if v.Path == "" {
		v.Path = "/"
		if s := sentOf(r.Context()); r.Method == http.MethodGet {
			v.Path = r.URL.RequestURI()
		} else if s != nil && s.Page != "" {
			v.Path = s.Page
		}
	}
	if v.Form == nil {
		v.Form = url.Values{}
	}
	if v.Who.Actor.Valid() && v.Orgs == nil {
		var err error
		if v.Orgs, err = c.Store.MyOrgs(r.Context(), v.Who.Actor); err != nil {
			return err
		}
	}
	s := sentOf(r.Context())
	if s != nil && s.refused != nil {
		v.Field, v.Error = wire.Message(s.refused)
		if v.Stale = registry.ErrorCode(s.refused) == registry.CodeVersionConflict; v.Stale {
			v.Error = ""
		}
		maps.Copy(w.Header(), wire.ProblemOf(r.Context(), s.refused).GetHeaders())
		status = wire.Status(s.refused)
	}
	if s.refill() != nil {
		v.Live = "" // its script would load the page from the address of the form
	}
	if r.Method == http.MethodPost && status < 400 && !signInStep[page] {
		return fmt.Errorf("console: %s shows %s instead of redirecting: a reload would repeat it", r.Pattern, page)
	}
	var b bytes.Buffer
	if err := c.pages[page].ExecuteTemplate(&b, "layout.html", v); err != nil {
		return err
	}
	stamp, err := c.stamped(r, v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(finishForms(b.Bytes(), stamp, s.refill()))
	return nil
}

// again shows a form with its error and what was typed, but for passwords; other errors are the caller's.
func (c *Console) again(w http.ResponseWriter, r *http.Request, page string, v view, err error) error {
	if !correctable(err) {
		return err
	}
	v.Form = url.Values{} // what the form leads on
	for k, val := range r.PostForm {
		if k != "password" && k != "old_password" {
			v.Form[k] = val
		}
	}
	sentOf(r.Context()).refused = err
	return c.show(w, r, wire.Status(err), page, v)
}

// Problem answers with the page of an error, for what else browsers open on this host.
func (c *Console) Problem(w http.ResponseWriter, r *http.Request, err error) {
	c.secure(w, "")
	c.problem(w, r, web.Caller{}, err)
}

func (c *Console) problem(w http.ResponseWriter, r *http.Request, who web.Caller, err error) {
	if registry.ErrorCode(err) == "" {
		c.Log.Error("console", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
	}
	if s := sentOf(r.Context()); s != nil {
		s.refused = nil
	}
	status := wire.Status(err)
	_, message := wire.Message(err)
	v := view{Title: http.StatusText(status), Who: who, Error: message, Data: status, Orgs: []registry.OrgView{}}
	if err := c.show(w, r, status, "problem.html", v); err != nil {
		c.Log.Error("console", "path", r.URL.Path, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
	}
}
