package caddymodule

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func init() { caddy.RegisterModule(Admin{}) }

// Admin is the operator's endpoint on Caddy's admin socket, below `/pizzeria/`:
// the management API without signing in, the directory's revision, and stopping
// all instances. Whoever reaches the socket is the operator: keep it a Unix
// socket with mode 0600. It owns nothing, and finds the runtime at each request.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.pizzeria", New: func() caddy.Module { return new(Admin) }}
}

// Routes implements caddy.AdminRouter.
func (a Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/pizzeria/", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (Admin) serve(w http.ResponseWriter, r *http.Request) error {
	var rt *runtime.Runtime
	runtimes.Range(func(_, v any) bool {
		rt, _ = v.(*runtime.Runtime)
		return false
	})
	if rt == nil || rt.Ready(r.Context()) != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Message: "pizzeria is not running in this config"}
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/pizzeria"); {
	case strings.HasPrefix(path, "/api/"):
		r = r.Clone(web.WithOperator(r.Context(), "/pizzeria"))
		r.URL.Path, r.URL.RawPath = path, ""
		r.Header.Del("Cookie")
		r.Header.Del("Authorization")
		rt.Handler().ServeHTTP(w, r)
		return nil
	case path == "/status" && r.Method == http.MethodGet:
		return json.NewEncoder(w).Encode(map[string]any{"revision": rt.Revision()})
	case path == "/backup" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/vnd.sqlite3")
		if err := rt.Backup(r.Context(), w); err != nil {
			return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
		}
		return nil
	case path == "/intrude" && r.Method == http.MethodPost:
		from, at := registry.OrgID(r.URL.Query().Get("from")), registry.OrgID(r.URL.Query().Get("at"))
		found, err := rt.Intrude(r.Context(), from, at)
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
		}
		return json.NewEncoder(w).Encode(map[string]any{"items": found})
	case path == "/down" && r.Method == http.MethodPost:
		n, err := rt.Down(r.Context())
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
		}
		return json.NewEncoder(w).Encode(map[string]any{"stopped": n})
	}
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Message: "no such operator route"}
}

// Interface guards
var _ caddy.AdminRouter = Admin{}
