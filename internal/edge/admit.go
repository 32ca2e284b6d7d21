package edge

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// Admit judges a request's protocol and authority, finds its route, and cleans
// its headers. It returns nil when it answered the request itself.
func (g *Gateway) Admit(w http.ResponseWriter, r *http.Request, requestID func() string, o Admission) *State {
	if g.Awake != nil {
		g.Awake(r.Context())
	}
	st := &State{RequestID: requestID, epoch: g.Revocations.epoch.Load(), page: o.Page}
	if !navigation(r) { // people get a page that tries again
		st.until = g.Now().Add(o.Hold)
	}
	site := g.Tokens.Site()
	slug, err := registry.SlugFromAuthority(r.Host, site.Domain)
	if err != nil || r.TLS != nil && r.TLS.ServerName != "" && !registry.SameHost(r.TLS.ServerName, r.Host) {
		g.fail(w, r, st, Problem{Code: wire.Misdirected, Status: http.StatusMisdirectedRequest, Title: "This address is not an org", Detail: "The host name does not name an org here. Check the address."})
		return nil
	}
	st.slug = slug
	if p := checkProtocol(r); p != nil {
		g.fail(w, r, st, *p)
		return nil
	}
	if !wire.OriginForm(r) {
		g.fail(w, r, st, Problem{Code: wire.Malformed, Status: http.StatusBadRequest, Title: "Bad request", Detail: "The request must name a path on this host, in ASCII, with everything else percent-encoded."})
		return nil
	}
	clean(r)
	reserved, sane := reservedPath(r.URL, site.Prefix)
	if !sane {
		g.fail(w, r, st, Problem{Code: wire.AmbiguousPath, Status: http.StatusBadRequest, Title: "This path is ambiguous", Detail: "Write the path without encodings, empty segments or dot segments."})
		return nil
	}
	if o.Conceal && !g.reveals(w, r, st, slug, reserved) {
		return nil
	}
	if st.Route == nil {
		if st.Route, err = g.find(r, slug, st.until); err != nil {
			g.fail(w, r, st, lookupProblem(err))
			return nil
		}
	}
	if st.Route, err = g.moved(r, st); err != nil {
		g.fail(w, r, st, lookupProblem(err))
		return nil
	}
	if p := g.routeProblem(r, st.Route); p != nil && !g.signsOut(r) {
		if p.Location != "" {
			w.Header().Set("Location", p.Location+r.URL.RequestURI())
		}
		g.fail(w, r, st, *p)
		return nil
	}
	if reserved {
		g.serveReserved(w, r, st, strings.TrimPrefix(r.URL.Path, site.Prefix))
		return nil
	}
	return st
}

// reveals reports whether a request may learn what there is at a slug: the org is served, so that org_auth decides, or
// who asks has a session there. Otherwise it answers as an org that is served does, whether there is one or not.
func (g *Gateway) reveals(w http.ResponseWriter, r *http.Request, st *State, slug string, reserved bool) bool {
	st.conceal = true
	var err error
	if st.Route, err = g.Routes.Lookup(r.Context(), slug); err != nil {
		st.Route = &registry.Route{Slug: slug}
	}
	if st.Route.Status == registry.RouteServing {
		return true // and this one goes on, whatever becomes of the org meanwhile
	}
	if reserved {
		g.serveReserved(w, r, st, strings.TrimPrefix(r.URL.Path, g.Tokens.Site().Prefix))
		return false
	}
	if err := g.identify(w, r, st); err != nil {
		g.refuse(w, r, st, err)
		return false
	}
	st.Route = nil // to be found, and waited for
	return true
}

// find looks the route up, and waits until a time for an org that starts.
func (g *Gateway) find(r *http.Request, slug string, until time.Time) (*registry.Route, error) {
	rt, err := g.Routes.Lookup(r.Context(), slug)
	if err != nil || rt.Status != registry.RouteStarting || !g.Now().Before(until) {
		return rt, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), until.Sub(g.Now()))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for rt.Status == registry.RouteStarting {
		select {
		case <-ctx.Done():
			return rt, nil
		case <-tick.C:
		}
		if rt, err = g.Routes.Lookup(r.Context(), slug); err != nil {
			return nil, err
		}
	}
	return rt, nil
}

// moved returns the route that serves a request to a former address of an org: the org's present
// one for clients that follow no redirect, which are WebSockets and programs with an org session as
// a bearer token, and else that of the address.
func (g *Gateway) moved(r *http.Request, st *State) (*registry.Route, error) {
	former := st.Route
	if former.RedirectTo == "" {
		return former, nil
	}
	if _, bearer := bearerToken(r); !IsWebSocket(r) && (!bearer || navigation(r)) {
		return former, nil
	}
	rt, err := g.present(r.Context(), former)
	if err == nil {
		rt, err = g.find(r, rt.Slug, st.until)
	}
	if err != nil || rt.OrgID != former.OrgID {
		return former, err
	}
	return rt, nil
}

// checkProtocol refuses what could turn a connection into another one: only a
// WebSocket upgrade passes, CONNECT only as RFC 8441 makes it, TRACE never; and
// no Connection option may name the identity header (it would be deleted).
func checkProtocol(r *http.Request) *Problem {
	if p := checkMethod(r); p != nil {
		return p
	}
	bad := &Problem{Code: wire.Malformed, Status: http.StatusBadRequest, Title: "Bad request", Detail: "Only a WebSocket may upgrade a connection."}
	if up := r.Header.Values("Upgrade"); len(up) > 0 {
		if len(up) > 1 || !ascii.EqualFold(up[0], "websocket") || r.Method != http.MethodGet || r.ProtoMajor != 1 ||
			r.ContentLength > 0 || len(r.TransferEncoding) > 0 {
			return bad
		}
	}
	if len(r.Header.Values("Http2-Settings")) > 0 {
		return bad
	}
	for _, v := range r.Header.Values("Connection") {
		for option := range strings.SplitSeq(v, ",") {
			if name := ascii.Trim(option); identityAlias(name) || ascii.EqualFold(name, "cookie") || ascii.EqualFold(name, "authorization") {
				return &Problem{Code: wire.Malformed, Status: http.StatusBadRequest, Title: "Bad request", Detail: "The Connection header names a header that must arrive."}
			}
		}
	}
	return nil
}

// checkMethod refuses what could reach an instance as another request. Case matters in methods, but
// some server may not know.
func checkMethod(r *http.Request) *Problem {
	m := r.Method
	connect := ascii.EqualFold(m, http.MethodConnect) && (m != http.MethodConnect || !extendedConnect(r))
	if connect || ascii.EqualFold(m, http.MethodTrace) || ascii.EqualFold(m, "TRACK") {
		return &Problem{Code: wire.MethodNotAllowed, Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Detail: "Use an ordinary HTTP method."}
	}
	if !httpguts.ValidHeaderFieldName(m) { // a token; Go's HTTP/2 server lets any text in
		return &Problem{Code: wire.Malformed, Status: http.StatusBadRequest, Title: "Bad request", Detail: "The method is not a token."}
	}
	return nil
}

func extendedConnect(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket"
}

// IsWebSocket reports whether the request opens a WebSocket, on any HTTP version.
func IsWebSocket(r *http.Request) bool {
	return extendedConnect(r) && r.Method == http.MethodConnect || ascii.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// reservedPath reports whether a path is under the prefix. It is not sane when
// it only is after decoding, cleaning or folding, as somebody else might do.
func reservedPath(u *url.URL, prefix string) (reserved, sane bool) {
	plain := under(u.Path, prefix)
	raw := u.EscapedPath()
	if plain && raw == u.Path && loose(u.Path) == u.Path {
		return true, true
	}
	twice, err := url.PathUnescape(u.Path)
	if err != nil {
		twice = u.Path
	}
	for _, form := range []string{u.Path, twice, raw} {
		if under(foldPath(loose(form)), foldPath(prefix)) {
			return true, false
		}
	}
	return false, true
}

// foldPath makes letters equal that some server could take for the same, in Unicode too: unlike
// elsewhere, more is refused by it and not less.
func foldPath(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.ToLower(strings.ToUpper(s))
		}
	}
	return ascii.Lower(s)
}

func under(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// loose reads a path as the laxest server would: backslashes as slashes,
// parameters after ";" dropped, NUL ends it, empty and dot segments resolved.
func loose(p string) string {
	if strings.IndexByte(p, '\\') < 0 && strings.IndexByte(p, ';') < 0 && strings.IndexByte(p, 0) < 0 && !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	p, _, _ = strings.Cut(strings.ReplaceAll(p, `\`, "/"), "\x00")
	var out []string
	for seg := range strings.SplitSeq(p, "/") {
		seg, _, _ = strings.Cut(seg, ";")
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, seg)
		}
	}
	return "/" + strings.Join(out, "/")
}

var noOrg = Problem{Code: wire.Code(registry.CodeNotFound), Status: http.StatusNotFound, Title: "No org has this address", Detail: "Check the spelling, or ask whoever gave you the address."}

func lookupProblem(err error) Problem {
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return noOrg
	}
	return Problem{Code: wire.Unavailable, Status: http.StatusServiceUnavailable, Title: "Temporarily unavailable", Detail: "The control plane cannot be reached, and this org is not known here yet. Try again shortly.", RetryAfter: 5}
}

// routeProblem is the contract's table of what a request for an org meets.
func (g *Gateway) routeProblem(r *http.Request, rt *registry.Route) *Problem {
	switch rt.Status {
	case registry.RouteServing:
		return nil
	case registry.RouteStarting:
		return &Problem{Code: wire.OrgStarting, Status: http.StatusServiceUnavailable, Title: rt.Name + " is starting", Detail: "Its server is coming up. This page loads by itself when it is ready.", RetryAfter: 2, Refresh: true}
	case registry.RouteFailed:
		return &Problem{Code: wire.OrgFailed, Status: http.StatusServiceUnavailable, Title: rt.Name + " does not start", Detail: "Its server failed to come up and is being tried again. The org's admins see why in the console.", RetryAfter: 10, Refresh: true}
	case registry.RouteSuspended:
		return g.suspended(r, rt)
	case registry.RouteRenamed:
		site := g.Tokens.Site()
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return &Problem{Code: wire.OrgAddressMoved, Status: http.StatusFound, Location: site.OrgURL(rt.RedirectTo), Title: "This org has moved", Detail: "Its new address is " + site.OrgURL(rt.RedirectTo)}
		}
		return &Problem{Code: wire.OrgAddressMoved, Status: http.StatusGone, Title: "This org has moved", Detail: "Its new address is " + site.OrgURL(rt.RedirectTo)}
	default:
		return g.gone(r, rt)
	}
}
