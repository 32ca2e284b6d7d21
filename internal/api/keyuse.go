package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// KeyKinds are the kinds of keys, and KeyResults what becomes of a request with one, as they are
// counted: "unknown" is a key that is none, was revoked, or has expired; "refused" is a live key
// that may not.
var (
	KeyKinds   = []string{string(registry.APIKeyPersonal), string(registry.APIKeyService)}
	KeyResults = []string{"ok", "refused", "failed", "unknown"}
)

func (a *API) keyUsed(personal bool, result string) {
	kind := registry.APIKeyService
	if personal {
		kind = registry.APIKeyPersonal
	}
	if a.KeyUsed != nil {
		a.KeyUsed(string(kind), result)
	}
}

// unknownKey counts a request with what looks like a key and lets nobody in.
func (a *API) unknownKey(r *http.Request) {
	if tok, ok := wire.Bearer(r); ok && token.IsAPIKey(tok) {
		a.keyUsed(token.IsPersonalKey(tok), "unknown")
	}
}

// countKeys counts requests with live keys.
func (a *API) countKeys(ctx huma.Context, next func(huma.Context)) {
	next(ctx)
	actor := caller(ctx.Context()).Actor
	if actor.Key() == "" {
		return
	}
	result := "failed"
	switch status := ctx.Status(); {
	case status == http.StatusForbidden:
		result = "refused"
	case status < http.StatusBadRequest:
		result = "ok"
	}
	a.keyUsed(actor.IsUser(), result)
}
