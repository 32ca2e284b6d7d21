package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/pizzaface/pizzeria/internal/gateway"
)

// logged is what an access log says of a request to an org: who was served
// from where, and never what they carried.
type logged struct{ *gateway.State }

// addLogFields puts them into the access log of a server that keeps one. They
// are made when the line is written.
func addLogFields(r *http.Request, st *gateway.State) {
	s, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || s.Logs == nil {
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.Object("pizzeria", logged{st}))
	}
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (l logged) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("org", string(l.Route.OrgID))
	e.AddString("slug", l.Route.Slug)
	e.AddInt64("generation", l.Route.Generation)
	if l.SignedIn() {
		e.AddString("user", string(l.Claims.Subject))
		e.AddString("role", string(l.Claims.Role))
		sum := sha256.Sum256([]byte(l.Claims.SessionID)) // to tell sessions apart, not to name them
		e.AddString("session", hex.EncodeToString(sum[:8]))
	}
	switch {
	case !l.Forwarded:
		e.AddString("decision", "answered") // by the gateway itself: sign-in, refusal, an error
	case l.SignedIn():
		e.AddString("decision", "passed")
	default:
		e.AddString("decision", "passed_as_nobody")
	}
	return nil
}
