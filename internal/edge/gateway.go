package edge

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"html/template"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/registry"
)

// Routes finds routes; a Directory does.
type Routes interface {
	Lookup(ctx context.Context, slug string) (*registry.Route, error)
}

// Admission is how a site wants its requests admitted.
type Admission struct {
	Hold time.Duration // how long what is no page waits for an instance that starts or restarts
	// Conceal keeps from those who are not signed in which orgs there are.
	Conceal bool
	Page    *template.Template // for the gateway's own pages, with a ProblemPage; nil = ours
}

// GatewayConfig says what a Gateway works with.
type GatewayConfig struct {
	Routes Routes
	// Tokens verifies org sessions and signs assertions.
	Tokens *token.Node
	Origin ControlPlane
	// Seal seals the cookies of sign-in attempts. Gateways that serve the same hosts share its key.
	Seal         cipher.AEAD
	Contact      func() time.Time     // when the change feed was last read
	OfflineGrace func() time.Duration // how long an expired session is honoured while the control plane is away
	Lifetimes    func() registry.Lifetimes
	Sessions     int // how many verified sessions are remembered
	// Awake returns once what is known is no older than a request may rely on. Optional.
	Awake func(ctx context.Context)
	// CookieDropped is told of every cookie that did not pass. Optional.
	CookieDropped func(why CookieDrop, n int)
	Log           *slog.Logger
	Now           func() time.Time
}

// ControlPlane is what serving a request may need of an origin.Origin.
type ControlPlane interface {
	origin.Sessions
	http.Handler
	Credential() token.Secret
}

// Gateway serves org hosts. Make one with NewGateway.
type Gateway struct {
	GatewayConfig
	Revocations *Revocations
	Streams     *Streams
	Measure     *Measures // of the limits that orgs have by their plans and of their own
	Refused     Refusals  // by those
	sessions    *lru.Cache[[sha256.Size]byte, *session]
	dropLines   *lru.Cache[dropLine, time.Time]
	provider    atomic.Pointer[relyingParty]
	awayUntil   atomic.Int64 // Unix seconds: renewals are not tried before
}

// Names of what the gateway owns.
const (
	AssertionHeader = "Pizzeria-Assertion"
	SessionCookie   = "__Host-pizzeria-org"
	txCookie        = "__Host-pizzeria-tx-"
	cookiePrefix    = "__host-pizzeria" // in lower case, of all cookies that never reach an instance
)

// NewGateway makes a Gateway.
func NewGateway(c GatewayConfig) (*Gateway, error) {
	sessions, err := lru.New[[sha256.Size]byte, *session](c.Sessions)
	if err != nil {
		return nil, err
	}
	lines, err := lru.New[dropLine, time.Time](dropLines)
	if err != nil {
		return nil, err
	}
	measure, err := newMeasures(c.Sessions, c.Now)
	if err != nil {
		return nil, err
	}
	g := &Gateway{GatewayConfig: c, Measure: measure, sessions: sessions, dropLines: lines, Streams: newStreams()}
	g.Revocations = newRevocations(c.Now, g.Streams)
	return g, nil
}

// State is what the gateway knows of one request.
type State struct {
	Route     *registry.Route
	Claims    token.SessionClaims // of whom the request is; zero for nobody
	Assertion string              // for the instance; "" for nobody
	RequestID func() string       // for problem pages
	Forwarded bool                // it went on to the instance
	slug      string              // that was asked for; a renamed org's Route has another
	epoch     uint64              // of the revocations when it came
	until     time.Time           // it may wait for an instance until then
	session   *session            // whose assertions it gets
	conceal   bool                // which orgs there are
	page      *template.Template  // for problem pages; nil = ours
	exchange  exchange
	measured  measured
}

// Placeholder gives the values that a Caddyfile can name, as `http.org.slug`.
func (s *State) Placeholder(key string) (any, bool) {
	switch key {
	case "http.org.id":
		return string(s.Route.OrgID), true
	case "http.org.slug":
		return s.Route.Slug, true
	case "http.org.plan":
		return s.Route.Plan, true
	case "http.org.user.id":
		return string(s.Claims.Subject), s.SignedIn()
	case "http.org.user.role":
		return string(s.Claims.Role), s.SignedIn()
	}
	return nil, false
}

// SignedIn reports whether the request is somebody's.
func (s *State) SignedIn() bool { return s.Assertion != "" }
