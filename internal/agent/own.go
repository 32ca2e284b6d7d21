//go:build linux || darwin

package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/internal/agent/pizzapi"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/provision"
)

// Bounds of the agent's own socket, which the app can connect to as well.
const (
	ownTime    = 10 * time.Second // to read a request
	ownHeader  = 8 << 10
	ownBody    = 1 << 20
	revokeTime = 5 * time.Second
)

// ownServer serves the host side.
func (a *Agent) ownServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /heartbeat", a.serveHeartbeat)
	mux.HandleFunc("GET /metrics", a.serveMetrics)
	mux.HandleFunc("POST /revoke", a.serveRevoke)
	mux.HandleFunc("POST /runners", a.serveEnroll)
	return &http.Server{
		Handler: a.authenticated(mux), ReadTimeout: ownTime, ReadHeaderTimeout: ownTime,
		IdleTimeout: ownTime, MaxHeaderBytes: ownHeader,
	}
}

// authenticated lets requests with the credential through.
func (a *Agent) authenticated(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + a.c.Credential))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(ascii.Trim(r.Header.Get("Authorization"))))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			refuse(w, http.StatusUnauthorized, "The credential is missing or wrong.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, ownBody)
		next.ServeHTTP(w, r)
	})
}

func (a *Agent) serveHeartbeat(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a.heartbeat(r.Context()))
}

// serveRevoke ends what revoked people and runners hold open, and refuses what they could still send.
// With the profile direct the agent sees no requests, and the answer says so.
func (a *Agent) serveRevoke(w http.ResponseWriter, r *http.Request) {
	var v provision.Revocation
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		refuse(w, http.StatusBadRequest, "The body is not a revocation.")
		return
	}
	if a.proxy == nil {
		refuse(w, http.StatusNotImplemented, "The app checks assertions itself; the agent sees no requests.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), revokeTime)
	defer cancel()
	if err := a.proxy.revoke(ctx, v); err != nil {
		a.log.say("revoke: " + err.Error())
		refuse(w, http.StatusServiceUnavailable, "The app has not ended everything of theirs.")
		return
	}
	if ctx.Err() != nil {
		refuse(w, http.StatusGatewayTimeout, "Not everything that they hold open has ended.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveEnroll gives a runner of the app's own a key.
func (a *Agent) serveEnroll(w http.ResponseWriter, r *http.Request) {
	if a.pizzapi == nil {
		refuse(w, http.StatusNotImplemented, "The profile has no runners of the app's own.")
		return
	}
	var e provision.Enrolment
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		refuse(w, http.StatusBadRequest, "The body is not an enrolment.")
		return
	}
	owner := pizzapi.Person{Subject: string(e.Owner.ID), Name: e.Owner.Name, Email: e.Owner.Email}
	env, err := a.pizzapi.Enroll(r.Context(), pizzapi.Runner{
		ID: string(e.ID), Name: e.Name, Owner: owner, Expires: e.Expires,
	})
	if err != nil {
		a.log.say("enroll a runner: " + err.Error())
		refuse(w, http.StatusBadGateway, "The app gives no key.")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"environment": env})
}

func (p *proxy) revoke(ctx context.Context, v provision.Revocation) error {
	subjects := append(texts(v.Users), texts(v.Runners)...)
	p.gone.add(subjects)
	p.open.cut(ctx, closeUnauthorized, "access changed", func(x *exchange) bool {
		return slices.Contains(subjects, x.claims.Subject)
	})
	if p.pizzapi == nil {
		return nil
	}
	// Runners of Pizzeria's own have nothing at PizzaPi. Asked first: Revoke forgets those who are gone.
	known := slices.ContainsFunc(texts(v.Runners), p.pizzapi.Knows)
	gone := len(v.GoneUsers) > 0 || slices.ContainsFunc(texts(v.GoneRunners), p.pizzapi.Knows)
	err := p.pizzapi.Revoke(ctx, texts(v.GoneUsers), texts(v.GoneRunners))
	switch {
	case gone:
		p.keyed.cut(ctx)
	case known:
		p.keyed.cutLater(ctx)
	}
	return err
}

func texts[T ~string](ids []T) (all []string) {
	for _, id := range ids {
		all = append(all, string(id))
	}
	return all
}
