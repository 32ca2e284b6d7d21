package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/pizzaface/pizzeria/internal/edge"
)

// logged is what an access log says of a request to an org: who was served
// from where, and never what they carried.
type logged struct{ *edge.State }

// addLogFields puts them into the access log of a server that keeps one. They
// are made when the line is written.
func addLogFields(r *http.Request, st *edge.State) {
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
		e.AddString("session", l.session())
	}
	e.AddString("decision", l.decision())
	return nil
}

// session tells sessions apart, and does not name them.
func (l logged) session() string {
	sum := sha256.Sum256([]byte(l.Claims.SessionID))
	return hex.EncodeToString(sum[:8])
}

func (l logged) decision() string {
	switch {
	case !l.Forwarded:
		return "answered" // by the gateway itself: sign-in, refusal, an error
	case l.SignedIn():
		return "passed"
	}
	return "passed_as_nobody"
}

// addSpanAttributes says the same in the span that Caddy's `tracing` made, when it did.
func addSpanAttributes(r *http.Request, st *edge.State) {
	span := trace.SpanFromContext(r.Context())
	if !span.IsRecording() {
		return
	}
	l := logged{st}
	span.SetAttributes(
		attribute.String("pizzeria.org.id", string(l.Route.OrgID)), attribute.String("pizzeria.org.slug", l.Route.Slug),
		attribute.Int64("pizzeria.org.generation", l.Route.Generation), attribute.String("pizzeria.decision", l.decision()),
	)
	if l.SignedIn() {
		span.SetAttributes(attribute.String("user.id", string(l.Claims.Subject)), attribute.String("pizzeria.role", string(l.Claims.Role)), attribute.String("pizzeria.session", l.session()))
	}
}
