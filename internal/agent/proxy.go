//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/internal/agent/pizzapi"
	"github.com/pizzaface/pizzeria/internal/ascii"
)

const (
	dialTimeout = 5 * time.Second
	// idleTimeout is shorter than what servers keep an idle connection for (Node: 5 seconds), so that
	// no request meets one that is being closed.
	idleTimeout = 3 * time.Second
	maxIdle     = 64
	maxHeader   = 1 << 20 // of the app's answers
	copyBuffer  = 32 << 10
	// maxKnown is how many assertions are remembered as verified. The gateway uses each for a minute.
	maxKnown = 128
)

// proxy checks requests and passes them to the app.
type proxy struct {
	profile  Profile
	required bool
	health   string
	now      func() time.Time

	verifier *assertion.Verifier
	known    *lru.Cache[string, assertion.Claims]
	gone     *revocations
	open     exchanges
	keyed    *keyed
	counts   counts

	pizzapi   *pizzapi.App // nil with other profiles
	forward   *httputil.ReverseProxy
	transport *http.Transport
}

func newProxy(
	c Config, dial func(context.Context) (net.Conn, error), errorLog *log.Logger,
) (*proxy, error) {
	p := &proxy{
		profile: c.Profile, required: c.Required, health: c.Health, now: c.Now,
		gone: &revocations{now: c.Now},
	}
	p.keyed = &keyed{open: &p.open, now: c.Now}
	var err error
	if p.verifier, err = assertion.New(assertion.Config{
		OrgID: string(c.OrgID), Generation: c.Generation, Issuer: c.Issuer, Keys: c.Keys, Now: c.Now,
	}); err != nil {
		return nil, err
	}
	if p.known, err = lru.New[string, assertion.Claims](maxKnown); err != nil {
		return nil, err
	}
	p.transport = &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true, MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: maxHeader, ExpectContinueTimeout: 5 * time.Second,
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p.transport, ModifyResponse: p.modify, ErrorHandler: p.failed,
		BufferPool: new(buffers), ErrorLog: errorLog,
	}
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	counted := &counter{ResponseWriter: w}
	defer func() { p.counts.answered(counted.status) }()
	token, claims, err := p.check(r)
	switch {
	case errors.Is(err, assertion.ErrNoKeys):
		p.counts.refused(refusedNoKeys)
		refuse(counted, http.StatusServiceUnavailable, "The keys of assertions are not known yet.")
		return
	case err != nil:
		p.counts.refused(refusedInvalid)
		refuse(counted, http.StatusUnauthorized, err.Error()+".")
		return
	}
	x, r := p.open.begin(w, r, token, claims)
	defer func() {
		if x.isTunnel() {
			counted.status = http.StatusSwitchingProtocols
		}
		p.open.end(x)
	}()
	if claims.Subject != "" && p.gone.refuses(claims) { // a later revocation finds x
		p.counts.refused(refusedRevoked)
		refuse(counted, http.StatusUnauthorized, "Access was revoked.")
		return
	}
	if p.pizzapi != nil {
		if r = p.judge(counted, r, x); r == nil {
			return
		}
	}
	p.forward.ServeHTTP(counted, r)
}

// judge lets PizzaPi's profile answer a request, or ready it. A runner of Pizzeria's is nobody there:
// those of PizzaPi have keys of its own.
func (p *proxy) judge(w http.ResponseWriter, r *http.Request, x *exchange) *http.Request {
	no := func(v pizzapi.Refusal) { refuse(w, v.Status, v.Detail) }
	if p.isHealthCheck(r) {
		p.pizzapi.ServeHealth(w, r, no)
		return nil
	}
	var who pizzapi.Person
	if x.isPersons() {
		who = pizzapi.Person{Subject: x.claims.Subject, Name: x.claims.Name, Email: x.claims.Email}
	}
	return p.pizzapi.Judge(w, r, who, no)
}

// check returns the assertion of a request and its claims; zero for a request of nobody that may
// pass. No form of identity but the assertion counts.
func (p *proxy) check(r *http.Request) (string, assertion.Claims, error) {
	tokens := r.Header.Values(assertion.Header)
	if len(tokens) == 0 && (!p.required || p.isHealthCheck(r)) {
		return "", assertion.Claims{}, nil
	}
	if len(tokens) == 1 {
		if c, ok := p.known.Get(tokens[0]); ok && p.now().Before(c.Expires) {
			return tokens[0], c, nil
		}
	}
	c, err := p.verifier.Request(r)
	if err != nil {
		return "", assertion.Claims{}, err
	}
	p.known.Add(tokens[0], c)
	return tokens[0], c, nil
}

func (p *proxy) isHealthCheck(r *http.Request) bool {
	return r.URL.Path == p.health && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// rewrite makes the request to the app. Hop-by-hop headers are gone by now, so that `Connection`
// cannot remove an identity.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = "http", "app"
	out.URL.RawQuery = r.In.URL.RawQuery // ReverseProxy drops what it cannot parse
	out.Trailer = nil                    // it could carry an identity
	if v := out.Header.Get("Upgrade"); v != "" && !ascii.EqualFold(v, "websocket") {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	strip(out.Header)
	p.profile.dropAssertionBearer(out.Header)
	keepForwarded(out.Header, r.In.Header)
	if x := exchangeOf(r.In); x.claims.Subject != "" {
		p.profile.identify(out.Header, x.token, x.claims)
	}
	if p.pizzapi != nil {
		p.pizzapi.Rewrite(out)
	}
}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

func (p *proxy) modify(res *http.Response) error {
	if p.pizzapi != nil {
		p.pizzapi.Modify(res)
	}
	exchangeOf(res.Request).answered(res)
	return res.Request.Context().Err()
}

func isEventStream(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "text/event-stream"
}

// failed answers a request that got no answer of the app's.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, _ error) {
	switch x := exchangeOf(r); {
	case x.claims.Subject != "" && p.gone.refuses(x.claims):
		p.counts.refused(refusedRevoked)
		refuse(w, http.StatusUnauthorized, "Access was revoked.")
	default:
		refuse(w, http.StatusBadGateway, "The app does not answer.")
	}
}

// buffers are for copying bodies.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, copyBuffer)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
