package edge

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/wsframe"
	"github.com/pizzaface/pizzeria/registry"
)

// Prepare makes an outgoing request what the instance may see: no cookie, token
// or alias of ours, exactly one assertion when it is somebody's request and none
// when it is nobody's, no trailers, at most cookieBytes of cookies. It runs after hop-by-hop headers are gone.
// The host in the URL only keys the connection pool: one a generation of an org.
func (g *Gateway) Prepare(s *State, r *http.Request, cookieBytes int) *http.Request {
	s.Forwarded = true
	for name := range r.Header {
		if identityAlias(name) {
			delete(r.Header, name)
		}
	}
	cut, before := stripCookies(r.Header, cookieBytes), guard.CutOf(r.Context())
	if n := cut.Cookies + before.Cookies; n > 0 {
		g.cookiesDropped(s, CookieTooLarge, n, cut.Bytes+before.Bytes)
	}
	stripBearer(r.Header, g.Tokens.Site().Issuer)
	if s.SignedIn() {
		r.Header[AssertionHeader] = []string{s.Assertion}
	}
	r.Trailer = nil
	r.URL.Host = string(s.Route.OrgID) + "." + strconv.FormatInt(s.Route.Generation, 10)
	g.filter1xx(s, r)
	return r
}

// Sendable reports whether an outgoing request's line names a path and nothing else, as every target
// does that Admit lets in: also after the operator's own rewrites, which can put what a client wrote
// anywhere into it.
func Sendable(u *url.URL) bool {
	if u.Opaque != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") {
		return false
	}
	for i := range len(u.RawQuery) {
		if !ascii.IsGraphic(u.RawQuery[i]) {
			return false
		}
	}
	return true
}

// filter takes out of a response what an instance may not say to a browser
// about other hosts, and what a revocation must not let through.
func (g *Gateway) filter(s *State, res *http.Response, trailers int64) {
	g.filterHeader(s, res.Header)
	x := &s.exchange
	tunnel := res.StatusCode == http.StatusSwitchingProtocols
	if !tunnel && res.ContentLength >= 0 {
		if _, direct := res.Body.(*directBody); !direct && res.Body != http.NoBody {
			res.Body = &streamBody{ReadCloser: res.Body, response: res, of: x, trailers: trailers}
		}
		return
	}
	if x.stream.CompareAndSwap(false, true) {
		g.Streams.open.Add(1)
	}
	b := &streamBody{ReadCloser: res.Body, response: res, of: x, trailers: trailers}
	if rw, ok := res.Body.(io.ReadWriteCloser); tunnel && ok {
		t := &tunnelBody{streamBody: b, Writer: rw}
		res.Body = t
		x.hold(t)
	} else {
		res.Body = b
	}
}

// doubtful reports whether something changed for a request since it was let
// through: between the check and the registration of its exchange, say. rt is its org's route now.
func (g *Gateway) doubtful(s *State, rt *registry.Route) bool {
	if rt.OrgID != s.Route.OrgID || closed(rt) {
		return true
	}
	if !s.SignedIn() || g.Revocations.epoch.Load() == s.epoch {
		return false
	}
	return g.Revocations.ended(&s.Claims, s.session.read.Load())
}

// closed reports whether an org is closed to everybody. An instance that restarts, or an org with a
// new address, may still answer what it was asked before.
func closed(rt *registry.Route) bool {
	return rt.Status == registry.RouteSuspended || rt.Status == registry.RouteQuarantined && rt.RedirectTo == ""
}

// streamBody is the body of an answer that ends when its exchange is cut.
type streamBody struct {
	io.ReadCloser
	response *http.Response
	of       *exchange
	trailers int64 // what they may cost
}

// Read filters trailers when they have arrived.
func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.of.bye.Load() != nil: // what was buffered does not pass either
		return 0, ErrRevoked
	case errors.Is(err, io.EOF):
		if headerCost(b.response.Trailer) > b.trailers {
			return n, errHeaderTooLong
		}
		filterFields(b.response.Trailer)
		delete(b.response.Trailer, "Set-Cookie") // nobody takes a cookie from a trailer
	}
	return n, err
}

// tunnelBody is an open WebSocket. One that the gateway ends says so with a
// close frame, if the instance's last frame was whole, and no close frame itself.
type tunnelBody struct {
	*streamBody
	io.Writer
	frames wsframe.Follower
	bye    atomic.Pointer[farewell]
	last   []byte // of the close frame, what is to be read
	ended  bool
}

// Read implements io.Reader.
func (b *tunnelBody) Read(p []byte) (int, error) {
	if len(b.last) == 0 && !b.ended {
		n, err := b.ReadCloser.Read(p)
		b.frames.Pass(p[:n])
		if n > 0 || err == nil {
			return n, nil
		}
		bye := b.bye.Load()
		if bye == nil {
			return n, err
		}
		b.ended = true
		if b.frames.MayClose() {
			b.last = wsframe.Close(bye.code, bye.reason)
		}
	}
	n := copy(p, b.last)
	b.last = b.last[n:]
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// end closes the instance's side; the browser's follows when Read has said why.
func (b *tunnelBody) end(bye farewell) {
	b.bye.CompareAndSwap(nil, &bye)
	_ = b.Close()
}

// CloseWrite passes a half-close on, when the connection can.
func (b *tunnelBody) CloseWrite() error {
	if c, ok := b.Writer.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// forbidden are response headers that speak for more than the org's own host,
// or that would move its traffic elsewhere.
var forbidden = []string{"Clear-Site-Data", "Alt-Svc", "Public-Key-Pins", "Expect-Ct", "Nel", "Report-To", "Reporting-Endpoints", "Origin-Agent-Cluster", "Set-Cookie2", AssertionHeader}

func (g *Gateway) filterHeader(s *State, h http.Header) {
	filterFields(h)
	g.filterSetCookie(s, h)
}

// filterFields is filterHeader without cookies.
func filterFields(h http.Header) {
	for _, name := range forbidden {
		delete(h, name)
	}
	if v := h["Strict-Transport-Security"]; len(v) > 0 && strings.Contains(ascii.Lower(strings.Join(v, ",")), "includesubdomains") {
		delete(h, "Strict-Transport-Security")
	}
}

// filter1xx filters informational responses before reverse_proxy forwards them.
// It wraps the hook in the proxy's own trace, which is of this round trip alone:
// httptrace.WithClientTrace would join traces in place, and one that requests
// share would hand each what the others' instances answer.
func (g *Gateway) filter1xx(s *State, r *http.Request) {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return // nobody forwards them
	}
	forward := trace.Got1xxResponse
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
		g.filterHeader(s, http.Header(h))
		return forward(code, h)
	}
}
