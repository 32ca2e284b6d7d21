package edge

import (
	"net/http"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// serveReserved answers what is under the reserved prefix.
func (g *Gateway) serveReserved(w http.ResponseWriter, r *http.Request, st *State, path string) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case path == "/callback" && r.Method == http.MethodGet:
		g.callback(w, r, st)
	case path == "/session" && r.Method == http.MethodGet:
		g.session(w, r, st)
	case path == "/sign-in" && r.Method == http.MethodGet:
		g.signInPage(w, r, st)
	case path == signOutPath && r.Method == http.MethodPost:
		g.signOut(w, r, st)
	case path == "/callback", path == "/session", path == "/sign-in", path == signOutPath:
		g.fail(w, r, st, Problem{Code: wire.MethodNotAllowed, Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Detail: "This address takes another method."})
	default:
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeNotFound), Status: http.StatusNotFound, Title: "Not found", Detail: "There is nothing at this address."})
	}
}
