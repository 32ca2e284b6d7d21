package edge

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// session is a verified org session, remembered by the hash of its token.
type session struct {
	claims    token.SessionClaims
	keys      uint64 // the version of the ring that verified it
	assertion atomic.Pointer[assertion]
	renewed   atomic.Pointer[string] // a token that replaces this one
	read      atomic.Uint64          // see Revocations.judge
	heard     atomic.Int64           // see Revocations.outdated
	used      atomic.Int64           // Unix seconds of the last request; 0: none since it is remembered
}

type assertion struct {
	token string
	route *registry.Route
	until time.Time
	keys  uint64 // the version of the ring that signed it
}

// verified returns the session of a token: from memory, or after checking its signature and claims.
func (g *Gateway) verified(tok string, org registry.OrgID) (*session, error) {
	keys := g.Tokens.Session.Version()
	key := sha256.Sum256(unsafe.Slice(unsafe.StringData(tok), len(tok))) //nolint:gosec // read only, and without a copy
	if s, ok := g.sessions.Get(key); ok && s.keys == keys {
		if s.claims.OrgID != org {
			return nil, token.ErrToken
		}
		return s, nil
	}
	c, err := g.Tokens.VerifySession(tok, org, g.OfflineGrace())
	if err != nil {
		return nil, err
	}
	s := &session{claims: c, keys: keys}
	g.sessions.Add(key, s)
	return s, nil
}

// renewTries is how often a session is renewed for a request: more than once if something changes
// meanwhile. renewHops is how many renewals in a row lead from a cookie that a client keeps to the
// newest: others keep it short.
const (
	renewTries = 3
	renewHops  = 1000
)

// renewPause is how long no renewal is tried after one failed because the control plane is away.
const renewPause = 5 * time.Second

// current returns the session as it counts now: itself while it is young and
// nothing about it changed, or its renewal. fresh is a new token for the cookie.
func (g *Gateway) current(r *http.Request, s *session, rt *registry.Route) (now *session, fresh string, err error) {
	first := s
	for tries, hops := 0, 0; tries < renewTries && hops < renewHops; {
		must, gone := g.Revocations.judge(&s.claims, s.read.Load())
		if gone {
			return nil, "", errNobody
		}
		t := g.Now().Unix()
		expired := s.claims.Expires <= t
		must = must || expired || s.claims.OrgGen != rt.Generation
		outdated := g.Revocations.outdated(s.claims.Subject, s.heard.Load())
		if !must && !outdated && t-s.claims.IssuedAt < g.renewal(&s.claims) {
			if s != first {
				first.renewed.Store(&fresh) // the next request need not go all the way
			}
			return s, fresh, nil
		}
		if next := s.renewed.Load(); next != nil {
			if n, err := g.verified(*next, rt.OrgID); err == nil && n != s {
				s, fresh = n, *next
				hops++
				continue
			}
		}
		tries++
		token, gaps, heard, err := "", uint64(0), int64(0), errAway
		doubtful, _ := g.Revocations.judge(&s.claims, s.read.Load())
		if doubtful || t >= g.awayUntil.Load() { // what is certain does not wait for a store that does not answer
			gaps, heard = g.Revocations.gaps(), g.Revocations.heard()
			token, err = g.Origin.Renew(r.Context(), s.claims, time.Unix(s.lastUse(), 0))
		}
		switch registry.ErrorCode(err) {
		case registry.CodeNotFound, registry.CodeReauthenticationNeeded:
			return nil, "", errNobody
		case registry.CodeForbidden:
			return nil, "", errNotMember
		}
		if err != nil {
			if r.Context().Err() == nil && !errors.Is(err, errAway) {
				g.awayUntil.Store(t + int64(renewPause/time.Second))
			}
			// Away: what was valid stays so for a while, but never what a change made doubtful.
			doubtful, _ := g.Revocations.judge(&s.claims, s.read.Load())
			idle := g.idle(&s.claims)
			if doubtful || expired && g.Now().Sub(g.Contact()) > g.OfflineGrace() || idle > 0 && t-s.lastUse() >= idle {
				return nil, "", errAway
			}
			return s, fresh, nil
		}
		n, err := g.verified(token, rt.OrgID)
		if err != nil {
			return nil, "", errNobody
		}
		if g.Revocations.behind(&n.claims) {
			continue
		}
		n.read.Store(gaps)
		n.heard.Store(heard)
		s.renewed.Store(&token)
		first.renewed.Store(&token)
		return n, token, nil // just read from the registry: nothing is newer
	}
	return nil, "", errAway
}

const (
	// An agent refuses assertions of before it was told of a change, which is moments after the gateway
	// knows. A session that the change has made new would be refused for as long as its first assertion
	// is handed out, so a young session gets a new one each second.
	youngSession = 30 * time.Second
	youngReuse   = time.Second
)

// assertionFor mints an assertion, or hands out the last one for up to a minute.
func (g *Gateway) assertionFor(s *session, rt *registry.Route) (string, error) {
	now, keys := g.Now(), g.Tokens.Assertions.Version()
	if a := s.assertion.Load(); a != nil && a.route == rt && a.keys == keys && now.Before(a.until) {
		return a.token, nil
	}
	tok, err := g.Tokens.Assertion(s.claims, rt)
	if err != nil {
		return "", err
	}
	reuse := token.AssertionReuse
	if now.Sub(time.Unix(s.claims.IssuedAt, 0)) < youngSession {
		reuse = youngReuse
	}
	s.assertion.Store(&assertion{token: tok, route: rt, until: now.Add(reuse), keys: keys})
	return tok, nil
}

// session says who is signed in, to the org's own pages.
func (g *Gateway) session(w http.ResponseWriter, r *http.Request, st *State) {
	if err := g.identify(w, r, st); err != nil || r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" && !navigation(r) {
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeUnauthenticated), Status: http.StatusUnauthorized, Title: "Sign in first", Detail: "There is no session here.", Challenge: true})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	c := st.Claims
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": c.Subject, "email": c.Email, "name": c.Name, "role": c.Role, "org_id": c.OrgID, "org_slug": st.Route.Slug, "console": g.Tokens.Site().Issuer})
}
