package pizzapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

const (
	authPath    = "/api/auth"
	sessionPath = authPath + "/get-session"
	signOutPath = authPath + "/sign-out"
	createPath  = authPath + "/api-key/create"
)

// ownKeys are all of better-auth's paths that people reach: those for their own API keys. The others
// manage accounts and sessions, which the agent does. Changing one could make it outlive its runner.
var ownKeys = []string{
	authPath + "/api-key/list", authPath + "/api-key/get", createPath,
	authPath + "/api-key/delete", authPath + "/ok",
}

const maxKeys = 50 // of a person, so that one list has them all

// visit is a request that goes to PizzaPi.
type visit struct {
	sub    string // whose; "" for nobody's
	cookie string // of their session
	page   bool   // the answer may be a page, which gets the script
}

type visitKey struct{}

// Refusal is an answer of the agent's own that is no success.
type Refusal struct {
	Status int
	Detail string
}

// Judge answers a request that PizzaPi is not to see, and then returns nil. Otherwise it returns the
// request for Rewrite and Modify. p is the zero Person for a request of nobody.
func (a *App) Judge(
	w http.ResponseWriter, r *http.Request, p Person, refuse func(Refusal),
) *http.Request {
	decoded := r.URL.Path
	if ambiguous(decoded) {
		refuse(Refusal{http.StatusBadRequest, "The path has dot segments or backslashes, or begins with two slashes."})
		return nil
	}
	folded, raw := ascii.Lower(decoded), r.URL.EscapedPath()
	nobody := p.Subject == ""
	switch {
	case a.serveFile(w, r, raw):
		return nil
	case raw == sessionPath:
		a.serveSession(w, r, p, refuse)
		return nil
	case nobody && a.closed(folded, r.Header):
		refuse(Refusal{http.StatusUnauthorized, "Sign in first."})
		return nil
	case raw == signOutPath && r.Method == http.MethodPost:
		// 307 keeps the method, and the gateway signs out by its own cookie.
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, a.prefix+"/sign-out", http.StatusTemporaryRedirect)
		return nil
	case strings.HasPrefix(folded, authPath) && !slices.Contains(ownKeys, raw),
		strings.HasPrefix(folded, "/api/register"):
		refuse(Refusal{http.StatusForbidden, "Accounts are managed elsewhere: sign in to the org."})
		return nil
	}
	v := visit{sub: p.Subject, page: isPage(r, folded)}
	if !nobody {
		var err error
		if v.cookie, _, err = a.session(r.Context(), p, false); err != nil {
			a.fail(r.Context(), p, err, refuse)
			return nil
		}
	}
	if raw == createPath && !a.mayCreate(r.Context(), p, v.cookie, refuse) {
		return nil
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

// mayCreate refuses another key to somebody who has many: all of them are to be deleted when they go.
func (a *App) mayCreate(ctx context.Context, p Person, cookie string, refuse func(Refusal)) bool {
	keys, res, err := a.keys(ctx, p.Subject, cookie)
	if err == nil && res.status != http.StatusOK {
		err = res.unexpected()
		a.doubt(p.Subject)
	}
	if err != nil {
		a.fail(ctx, p, err, refuse)
		return false
	}
	if len(keys) >= maxKeys {
		refuse(Refusal{http.StatusConflict, "You have 50 API keys: delete one first."})
		return false
	}
	return true
}

// ambiguous reports whether a path leads elsewhere at a server that resolves URLs as browsers do.
func ambiguous(decoded string) bool {
	if strings.Contains(decoded, `\`) || strings.HasPrefix(decoded, "//") { // the latter names a host
		return true
	}
	return slices.ContainsFunc(strings.Split(decoded, "/"), func(s string) bool { return s == "." || s == ".." })
}

// closed reports whether a path is for people alone, though an exception of the gateway's let
// nobody's request through: an API key makes no other credential, and engine.io takes 100 MB a
// request of anybody unless it is a WebSocket.
func (*App) closed(folded string, h http.Header) bool {
	switch {
	case strings.HasPrefix(folded, authPath), strings.HasPrefix(folded, "/api/mobile-link"):
		return true
	case strings.HasPrefix(folded, "/api/setup-claim"):
		return path.Base(folded) == "approve"
	case strings.HasPrefix(folded, "/socket.io"):
		return !ascii.EqualFold(h.Get("Upgrade"), "websocket")
	}
	return false
}

// isPage reports whether a request is for one of PizzaPi's own pages. What is under /api/ is no page
// of its own: a tunnel leads to whatever a runner's machine serves.
func isPage(r *http.Request, folded string) bool {
	return r.Method == http.MethodGet && !strings.HasPrefix(folded, "/api/") &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// serveSession answers get-session, without the token of the session.
func (a *App) serveSession(w http.ResponseWriter, r *http.Request, p Person, refuse func(Refusal)) {
	body := []byte("null")
	if p.Subject != "" {
		_, told, err := a.session(r.Context(), p, true)
		if err == nil {
			body, err = redacted(told)
		}
		if err != nil {
			a.fail(r.Context(), p, err, refuse)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// redacted is what get-session says, without what could be used elsewhere.
func redacted(told []byte) ([]byte, error) {
	var v struct {
		Session map[string]any `json:"session"`
		User    map[string]any `json:"user"`
	}
	d := json.NewDecoder(bytes.NewReader(told))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if v.Session != nil {
		v.Session["token"] = "redacted"
	}
	return json.Marshal(v)
}

func (a *App) fail(ctx context.Context, p Person, err error, refuse func(Refusal)) {
	if ctx.Err() == nil {
		a.c.Say("pizzapi: no session for " + p.Subject + ": " + err.Error())
	}
	refuse(Refusal{http.StatusBadGateway, "The app does not answer."})
}
