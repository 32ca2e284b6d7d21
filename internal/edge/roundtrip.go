package edge

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/wire"
)

var errSwitches = errors.New("the instance switches protocols and was not asked to")

// Transports are the ways to an instance.
type Transports struct {
	Direct      *Direct           // nil = every request takes the other one
	HTTP        http.RoundTripper // see Guarded
	HeaderBytes int64             // what an answer's trailers may cost
	CookieBytes int               // of the cookies that an instance gets
}

// RoundTrip passes a request on to its instance: directly where that can be done, else by the other
// transport. The answer is judged again before it is returned, and filtered. Errors: ErrRevoked,
// ErrOverPlan, and those of the transports.
func (g *Gateway) RoundTrip(s *State, r *http.Request, t *Transports) (*http.Response, error) {
	if err := g.register(r.Context(), s); err != nil {
		return nil, err
	}
	if err := g.measure(s, r); err != nil {
		return nil, err
	}
	r = g.Prepare(s, r, t.CookieBytes)
	// Caddy logs the request when its answer breaks off, and an assertion is good for two minutes.
	defer delete(r.Header, AssertionHeader)
	// The scheme is what browsers see, which the issuer says: a load balancer may have ended TLS.
	r.Header.Set("X-Forwarded-Proto", g.Tokens.Site().Scheme())
	var res *http.Response
	var err error
	if t.Direct != nil && t.Direct.Takes(r) && !overTLS(s.Route.Address) {
		res, err = t.Direct.roundTrip(r, &s.exchange)
	} else {
		res, err = s.around(r, t.HTTP)
	}
	if err != nil {
		if s.Revoked() {
			return nil, ErrRevoked
		}
		if s.measured.overBody() {
			s.measured.large = true
			return nil, ErrOverPlan
		}
		return nil, err
	}
	if err = checkAnswer(r, res); err == nil {
		err = g.judgeAgain(r.Context(), s)
	}
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	g.filter(s, res, t.HeaderBytes)
	s.measured.headers(res.Header)
	return res, nil
}

// overTLS reports whether an instance is reached over TLS. Direct cannot see there whether a
// connection is quiet: TLS keeps bytes of its own.
func overTLS(address string) bool { return strings.HasPrefix(address, "tls/") }

// around makes a round trip that a cut cancels, its upload included.
func (s *State) around(r *http.Request, transport http.RoundTripper) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	p := &cancelPart{cancel}
	s.exchange.hold(p)
	r = r.WithContext(ctx)
	r.Header = maps.Clone(r.Header) // it may be read while it is changed after an early answer
	if r.Body != nil && r.Body != http.NoBody {
		s.exchange.uploading.Store(true)
		r.Body = &upload{r.Body, &s.exchange}
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		s.exchange.release(p)
		cancel(nil)
	}
	return res, err
}

// cancelPart is a round trip of a transport.
type cancelPart struct{ cancel context.CancelCauseFunc }

func (c *cancelPart) end(farewell) { c.cancel(ErrRevoked) }

// badStatus reports whether a status is none that may be passed on. The server panics at those
// below 100.
func badStatus(code int) bool { return code < 100 || code > 999 }

// checkAnswer refuses an answer that cannot be passed on.
func checkAnswer(r *http.Request, res *http.Response) error {
	switch {
	case badStatus(res.StatusCode):
		return errStatusLine
	case res.StatusCode == http.StatusSwitchingProtocols:
		want := r.Header["Upgrade"]
		if len(want) != 1 || !ascii.EqualFold(res.Header.Get("Upgrade"), want[0]) {
			return errSwitches
		}
	case res.StatusCode < 200:
		return errStatusLine
	}
	return nil
}

// Revoked answers a request whose access ended before its answer began.
func (g *Gateway) Revoked(w http.ResponseWriter, r *http.Request, s *State) {
	r = r.WithContext(context.WithoutCancel(r.Context())) // a cut upload ends it
	rt, err := g.Routes.Lookup(r.Context(), s.Route.Slug)
	if err == nil && closed(rt) && !s.conceal {
		g.fail(w, r, s, *g.routeProblem(r, rt))
		return
	}
	bye := s.exchange.bye.Load()
	if s.Claims.SessionID == "" || bye != nil && bye.code == closeRestart {
		g.fail(w, r, s, Problem{
			Code: wire.Reconnect, Status: http.StatusServiceUnavailable, RetryAfter: 1,
			Title: "Try again", Detail: "The connection to " + s.Route.Name + " was ended.",
		})
		return
	}
	g.refuse(w, r, s, errNobody)
}
