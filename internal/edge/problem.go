package edge

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/wire"
)

//go:embed pages/problem.html
var pageFiles embed.FS

var problemPage = template.Must(template.ParseFS(pageFiles, "pages/problem.html"))

// Problem is an answer of the gateway's own: a page for people, RFC 9457 problem
// details for programs.
type Problem struct {
	Code       wire.Code
	Status     int
	Title      string
	Detail     string
	RetryAfter int    // seconds
	Refresh    bool   // the page loads itself again
	Location   string // of a redirect
	Again      string // a path on this host to try again
	SignIn     string // a path on this host to return to after signing in
	Challenge  bool   // with WWW-Authenticate
	Why        bool   // the console tells members more
}

// ProblemPage is what a template of the gateway's pages gets.
type ProblemPage struct {
	Status     int    // of HTTP
	Title      string // what happened
	Detail     string // why, and what to do
	RetryAfter int    // seconds; 0 = not said
	Refresh    bool   // the page should load itself again after RetryAfter
	Again      string // a path on this host to try again; "" = none
	Form       bool   // a form was sent: Again leads back to its page
	SignIn     string // a path on this host that signs in; "" = none
	Console    string // URL of the control plane
	Why        string // URL of a console page that tells members more; "" = none
	RequestID  string
}

// ParsePage parses a template for the gateway's own pages and tries it, so that
// a mistake is found when the config is loaded.
func ParsePage(file string) (*template.Template, error) {
	t, err := template.ParseFiles(file)
	if err != nil {
		return nil, err
	}
	return t, t.Execute(io.Discard, ProblemPage{Status: http.StatusNotFound, Title: "Title", Detail: "Detail", RetryAfter: 1, Refresh: true, Again: "/", SignIn: "/", Console: "https://example.com", Why: "https://example.com/orgs/acme", RequestID: "id"})
}

// pageCSP allows the page's one style element by its hash-free nature: the page has no script at all.
const pageCSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Fail answers a request with a problem.
func (g *Gateway) Fail(w http.ResponseWriter, r *http.Request, st *State, p Problem) {
	g.fail(w, r, st, p)
}

func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, st *State, p Problem) {
	h := w.Header()
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	site := g.Tokens.Site()
	details := map[string]any{"type": wire.TypeURL(site.Issuer, p.Code), "code": p.Code, "title": p.Title, "status": p.Status, "detail": p.Detail, "request_id": st.RequestID()}
	if p.Challenge {
		details["sign_in"] = site.SignInURL(st.Route.Slug)
		h.Set("WWW-Authenticate", `Bearer realm="pizzeria", sign_in="`+site.SignInURL(st.Route.Slug)+`"`)
	}
	if wantsPage(r) {
		g.page(w, r, st, p)
		return
	}
	head(h, "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(details)
	}
}

// navigation reports whether a browser asked for a page to show.
func navigation(r *http.Request) bool { return wire.Safe(r.Method) && wantsPage(r) }

// wantsPage reports whether an answer of the gateway's own is a page.
func wantsPage(r *http.Request) bool { return !IsWebSocket(r) && wire.WantsPage(r) }

// page shows what happened to people.
func (g *Gateway) page(w http.ResponseWriter, r *http.Request, st *State, p Problem) {
	page := problemPage
	if st.page != nil {
		page = st.page
	}
	data := ProblemPage{
		Status: p.Status, Title: p.Title, Detail: p.Detail, RetryAfter: p.RetryAfter, Again: p.Again,
		Refresh: p.Refresh && wire.Safe(r.Method), // what a form sent is not loaded again
		Console: g.Tokens.Site().Issuer, RequestID: st.RequestID(),
	}
	if !wire.Safe(r.Method) && st.Route != nil && (p.Challenge || p.SignIn == "") {
		back := wire.CameFrom(r, g.Tokens.Site().OrgURL(st.Route.Slug))
		if p.Challenge {
			p.SignIn = back
		} else {
			data.Again, data.Form = back, true
		}
	}
	if p.Why {
		data.Why = data.Console + "/orgs/" + st.Route.Slug
	}
	if p.SignIn != "" {
		data.SignIn = g.signInPath(p.SignIn)
	}
	head(w.Header(), "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pageCSP)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = page.Execute(w, data)
	}
}

// head sets what all answers of the gateway's own have.
func head(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
}
