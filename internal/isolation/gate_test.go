package isolation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/isolation"
)

// gate is a small control plane and gateway over real TLS, with every control that the checks are
// about. A test takes
// one away: lacks names it. It shares no code with the real gateway, so that a fault in one is not
// a fault of both.
type gate struct {
	*httptest.Server
	lacks   string
	key     *ecdsa.PrivateKey
	revoked atomic.Bool // B's runner
}

const (
	domain = "example.com"
	issuer = "https://" + domain
	orgA   = "01890000-0000-7000-8000-00000000000a"
	orgB   = "01890000-0000-7000-8000-00000000000b"
	cookie = "__Host-pizzeria-org"
)

var orgs = map[string]string{"acme": orgA, "globex": orgB}

func newGate(t *testing.T, lacks string) (*gate, isolation.Target) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{lacks: lacks, key: key}
	g.Server = httptest.NewUnstartedServer(g)
	g.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that were broken off
	g.TLS = &tls.Config{Certificates: []tls.Certificate{g.certificate()}}
	g.StartTLS()
	t.Cleanup(g.Close)
	roots := x509.NewCertPool()
	roots.AddCert(g.Certificate())
	runner := func(slug string) isolation.Org {
		id := orgs[slug]
		return isolation.Org{
			ID: id, URL: "https://" + slug + "." + domain,
			Key:   "pzr_" + slug + strings.Repeat("k", 30),
			Token: g.sign("pizzeria-session+jwt", "urn:pizzeria:org:"+id+":session", id),
		}
	}
	return g, isolation.Target{
		Issuer: issuer, A: runner("acme"), B: runner("globex"), Roots: roots, Mirror: "/whoami",
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.Listener.Addr().String())
		},
		Revoke: func(context.Context) error { g.revoked.Store(g.has("revocation")); return nil },
	}
}

// certificate is that of every host. It has an elliptic key: an attack makes hundreds of
// handshakes.
func (g *gate) certificate() tls.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{domain, "*." + domain}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &g.key.PublicKey, g.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: g.key}
}

// has reports whether the gate has a control.
func (g *gate) has(control string) bool { return g.lacks != control }

var enc = base64.RawURLEncoding.Strict()

func (g *gate) sign(typ, aud, org string) string {
	head := enc.EncodeToString([]byte(`{"alg":"ES256","kid":"1","typ":"` + typ + `"}`))
	body := enc.EncodeToString([]byte(`{"aud":"` + aud + `","org_id":"` + org +
		`","role":"runner","sub":"` + org + `"}`))
	sum := sha256.Sum256([]byte(head + "." + body))
	r, s, err := ecdsa.Sign(rand.Reader, g.key, sum[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return head + "." + body + "." + enc.EncodeToString(sig)
}

// verify reports whether a token lets its bearer into an org.
func (g *gate) verify(token, org string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 8<<10 {
		return false
	}
	var head struct{ Alg, Typ string }
	var body struct{ Aud, Org string }
	rawHead, err1 := enc.DecodeString(parts[0])
	rawBody, err2 := enc.DecodeString(parts[1])
	if err1 != nil || err2 != nil || json.Unmarshal(rawHead, &head) != nil ||
		json.Unmarshal(rawBody, &body) != nil {
		return false
	}
	if g.has("audiences") && body.Aud != "urn:pizzeria:org:"+org+":session" ||
		g.has("token types") && head.Typ != "pizzeria-session+jwt" {
		return false
	}
	if org == orgB && g.revoked.Load() {
		return false
	}
	if !g.has("pinned algorithms") && (head.Alg == "none" || head.Alg == "HS256") ||
		!g.has("signatures") {
		return true
	}
	sig, err := enc.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return false
	}
	return verifies(&g.key.PublicKey, parts[0]+"."+parts[1], sig)
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if !g.has("canonical hosts") { // the last two labels and the one before, whatever it is
		labels := strings.Split(strings.Trim(strings.ReplaceAll(host, "..", "."), "."), ".")
		host = strings.Join(labels[max(0, len(labels)-3):], ".")
	}
	if g.has("request targets") && !names(r) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch slug, is := strings.CutSuffix(host, "."+domain); {
	case g.has("server names") && g.has("canonical hosts") && r.TLS.ServerName != host:
		w.WriteHeader(http.StatusMisdirectedRequest)
	case host == domain:
		g.control(w, r)
	case is && regexp.MustCompile(`^[a-z][a-z0-9-]{1,38}[a-z0-9]$`).MatchString(slug) &&
		!strings.HasPrefix(slug, "xn--"):
		g.org(w, r, slug)
	default:
		w.WriteHeader(http.StatusMisdirectedRequest)
	}
}

// names reports whether a request's target is a path, or a URL of the host that it is for.
func names(r *http.Request) bool {
	if regexp.MustCompile(`[^!-~]|#`).MatchString(r.RequestURI) {
		return false
	}
	if strings.HasPrefix(r.RequestURI, "/") {
		return true
	}
	u, err := url.Parse(r.RequestURI)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil &&
		strings.EqualFold(u.Host, r.Host) && r.Host != "" && u.Opaque == ""
}

// control is the control plane: the API knows none of the tokens that the attack has.
func (g *gate) control(w http.ResponseWriter, r *http.Request) {
	site := r.Header.Get("Sec-Fetch-Site")
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path == "/authorize":
		q, slug := r.URL.Query(), ""
		for s, id := range orgs {
			if q.Get("client_id") == "urn:pizzeria:org:"+id+":gateway" {
				slug = s
			}
		}
		callback := "https://" + slug + "." + domain + "/.pizzeria/callback"
		exact := len(q["redirect_uri"]) == 1 && q.Get("redirect_uri") == callback
		if !g.has("exact redirects") {
			exact = strings.HasPrefix(strings.ToLower(q.Get("redirect_uri")), callback)
		}
		if !g.has("bound clients") && slug != "" {
			exact = len(q["redirect_uri"]) == 1 &&
				slices.Contains([]string{"https://acme." + domain + "/.pizzeria/callback",
					"https://globex." + domain + "/.pizzeria/callback"}, q.Get("redirect_uri"))
		}
		if !exact {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	case r.Method == http.MethodPost:
		if g.has("the console's forged requests") && site != "same-origin" {
			w.WriteHeader(http.StatusForbidden)
		}
	case !g.has("API tokens") && (g.verify(token, orgA) || g.verify(token, orgB)):
		_, _ = io.WriteString(w, `{}`)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// org is an org's host.
func (g *gate) org(w http.ResponseWriter, r *http.Request, slug string) {
	id, known := orgs[slug]
	if !known && !g.has("unknown orgs") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if status := g.protocol(r); status != 0 {
		w.WriteHeader(status)
		return
	}
	if g.reserved(w, r, id) {
		return
	}
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch status := g.identity(r, slug, id); status {
	case 0:
	case http.StatusUnauthorized:
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Accept") != "" {
			g.signIn(w, r, slug, id)
			return
		}
		fallthrough
	default:
		w.WriteHeader(status)
		return
	}
	g.app(w, r, id)
}

// protocol refuses what smuggles another protocol or takes headers away.
func (g *gate) protocol(r *http.Request) int {
	if slices.Contains([]string{"TRACE", "TRACK", "CONNECT"}, r.Method) && g.has("methods") {
		return http.StatusMethodNotAllowed
	}
	for _, option := range strings.Split(strings.Join(r.Header.Values("Connection"), ","), ",") {
		option = strings.ToLower(strings.TrimSpace(option))
		if g.has("hop-by-hop options") &&
			!slices.Contains([]string{"", "close", "keep-alive", "upgrade"}, option) {
			return http.StatusBadRequest
		}
	}
	if u := r.Header.Values("Upgrade"); len(u) > 0 && (len(u) > 1 || u[0] != "websocket") &&
		g.has("upgrades") {
		return http.StatusBadRequest
	}
	return 0
}

// reserved serves the reserved prefix, and refuses what only looks like it.
func (g *gate) reserved(w http.ResponseWriter, r *http.Request, id string) bool {
	raw := r.RequestURI
	if u, err := url.Parse(raw); err == nil && u.Scheme != "" {
		raw = u.RequestURI()
	}
	path, _, _ := strings.Cut(raw, "?")
	if r.URL.Opaque != "" {
		path = "" // as every check of a path sees it
	}
	switch {
	case path == "/.pizzeria/session":
		if g.identity(r, "", id) != 0 {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		out := id
		if !g.has("silence about other orgs") {
			out += " " + orgA
		}
		_, _ = io.WriteString(w, out)
	case path == "/.pizzeria/callback":
		if g.has("sign-in attempts") {
			w.WriteHeader(http.StatusBadRequest)
		}
	case strings.HasPrefix(path, "/.pizzeria/"):
		w.WriteHeader(http.StatusNotFound)
	default:
		plain := regexp.MustCompile(`^(/[A-Za-z0-9_-]+)*/?$`)
		if !g.has("spellings of the reserved path") || plain.MatchString(path) {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
	}
	return true
}

// identity says who asks: 0 for a runner of the org, else the status of the refusal.
func (g *gate) identity(r *http.Request, slug, id string) int {
	if !g.has("authentication") {
		return 0
	}
	if auth := r.Header.Values("Authorization"); len(auth) > 0 {
		token, ok := strings.CutPrefix(auth[0], "Bearer ")
		if len(auth) == 1 && ok && g.verify(token, id) {
			return 0
		}
	}
	if !g.has("made-up identity headers") && r.Header.Get("X-Forwarded-User") != "" {
		return 0
	}
	token, ok := g.cookie(r)
	socket := r.Header.Get("Upgrade") != ""
	own := "https://" + slug + "." + domain
	same := r.Header.Get("Sec-Fetch-Site") == "same-origin"
	if origin := r.Header.Get("Origin"); origin != "" {
		same = same && origin == own
	}
	switch {
	case !ok:
		return http.StatusUnauthorized
	case socket && g.has("origins of WebSockets") && r.Header.Get("Origin") != own:
		return http.StatusForbidden
	case r.Method != http.MethodGet && !same && g.has("forged requests"):
		return http.StatusForbidden
	case r.Method == http.MethodGet && !same && !socket && g.has("embedded requests") &&
		r.Header.Get("Sec-Fetch-Mode") != "navigate":
		return http.StatusUnauthorized
	case !g.verify(token, id):
		return http.StatusUnauthorized
	}
	return 0
}

// cookie returns the session cookie when there is exactly one.
func (g *gate) cookie(r *http.Request) (string, bool) {
	var found []string
	for _, part := range strings.Split(strings.Join(r.Header.Values("Cookie"), "; "), "; ") {
		name, v, _ := strings.Cut(part, "=")
		if !g.has("bytes of cookie names") {
			name = strings.TrimSpace(name)
		}
		if name == cookie || !g.has("cookie names") && strings.EqualFold(name, cookie) {
			found = append(found, v)
		}
	}
	if len(found) > 1 && !g.has("repeated cookies") {
		found = found[len(found)-1:]
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

func (g *gate) signIn(w http.ResponseWriter, r *http.Request, slug, id string) {
	c := "__Host-pizzeria-tx-1=x; Path=/; Secure; HttpOnly; SameSite=Lax"
	if !g.has("__Host- cookies") {
		c = "pizzeria-tx-1=x; Path=/; Domain=" + domain + "; Secure; HttpOnly"
	}
	w.Header().Set("Set-Cookie", c)
	own, at := "https://"+slug+"."+domain, issuer
	if f := r.Header.Get("X-Forwarded-Host"); f != "" && !g.has("links of our own") {
		at = "https://" + f
	}
	q := url.Values{"client_id": {"urn:pizzeria:org:" + id + ":gateway"},
		"redirect_uri": {own + "/.pizzeria/callback"}, "state": {"s"}}
	w.Header().Set("Location", at+"/authorize?"+q.Encode())
	w.WriteHeader(http.StatusFound)
}

// app is the instance, which answers with the headers that it was given.
func (g *gate) app(w http.ResponseWriter, r *http.Request, id string) {
	if n := len(r.Header.Get("Cookie")); n > 100<<10 && !g.has("room for tossed cookies") {
		w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	alias := func(name string) bool {
		return strings.EqualFold(strings.NewReplacer("_", "-", ".", "-").Replace(name),
			"Pizzeria-Assertion")
	}
	forwarding := regexp.MustCompile(`^(?i:x-forwarded-.*|forwarded|x-original-url|x-rewrite-url)$`)
	if !g.has("the app's mirror") {
		_, _ = io.WriteString(w, "hello")
		return
	}
	for name, values := range r.Header {
		switch {
		case alias(name) && g.has("aliases"),
			strings.EqualFold(name, "Authorization") && g.has("stripping of bearers"):
			continue
		case forwarding.MatchString(name) && g.has("forwarding headers"):
			continue
		case name == "Cookie" && g.has("stripping of cookies"):
			var kept []string
			for _, part := range strings.Split(strings.Join(values, "; "), "; ") {
				odd := !g.has("stripping of odd cookies") && part[0] != '_'
				if odd || !strings.Contains(strings.ToLower(part), "__host-pizzeria") {
					kept = append(kept, part)
				}
			}
			values = kept
		}
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, "; "))
	}
	_, _ = fmt.Fprintf(w, "Pizzeria-Assertion: %s\n",
		g.sign("pizzeria-assertion+jwt", "urn:pizzeria:org:"+id, id))
}
