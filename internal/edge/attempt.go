package edge

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/wire"
)

const (
	attemptLife = time.Hour
	maxAttempts = 8
	txIDLen     = 12 // characters of an attempt's ID in its cookie's name
	secretLen   = 43 // characters of an attempt's ID
)

// attempt is a sign-in of a browser at an org, sealed in OpenID's `state`. It is no secret and no
// proof: it says where to go, also when the browser has lost the cookie that goes with it. Whoever
// writes one into a link leads to a page of the org, as any link can.
type attempt struct {
	ID     string
	Again  bool   // begun because another had come to nothing: there is no third
	Return string // a path from web.ReturnPath
}

// proof is the half that only the browser of the attempt has, sealed in a cookie of its own. A code
// is redeemed with that alone.
type proof struct {
	Verifier string `json:"v"`
	Nonce    string `json:"n"`
	Expires  int64  `json:"e"`
}

// begin begins an attempt, whose ID it makes.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request, st *State, a attempt) {
	p, err := g.party(r.Context())
	if err != nil {
		g.Log.Warn("cannot reach the control plane", "error", err)
		g.fail(w, r, st, Problem{
			Code: wire.Unavailable, Status: http.StatusServiceUnavailable, Title: "Signing in is not possible right now",
			Detail: "The control plane is away. Try again shortly.", RetryAfter: 5,
		})
		return
	}
	a.ID = token.NewSecret().Reveal()
	own := proof{
		Verifier: oauth2.GenerateVerifier(), Nonce: token.NewSecret().Reveal(),
		Expires: g.Now().Add(attemptLife).Unix(),
	}
	sealed, err := g.sealProof(own, a.ID, st.client())
	if err != nil {
		g.fail(w, r, st, Problem{
			Code: wire.Internal, Status: http.StatusInternalServerError, Title: "Internal error", Detail: "Try again.",
		})
		return
	}
	dropOldAttempts(w, r)
	setCookie(w, a.cookie(), sealed, int(attemptLife/time.Second))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	to := g.oauth(p, st).AuthCodeURL(g.sealAttempt(a, st.client()),
		oidc.Nonce(own.Nonce), oauth2.S256ChallengeOption(own.Verifier))
	http.Redirect(w, r, to, http.StatusFound)
}

// startOver answers a callback of an attempt that the browser does not have, or whose code is of no
// use: a page left open for long, one that is opened again, the oldest of too many tabs. A browser
// that is signed in continues to its page, and any other begins again, once: one that comes back
// without its cookie a second time keeps none.
func (g *Gateway) startOver(w http.ResponseWriter, r *http.Request, st *State, a attempt) {
	switch {
	case g.identify(w, r, st) == nil:
		w.Header().Set("Referrer-Policy", "no-referrer")
		wire.GoTo(w, a.Return)
	case a.Again || !navigation(r):
		g.fail(w, r, st, Problem{
			Code: wire.SignInFailed, Status: http.StatusBadRequest, Title: "Signing in did not work", Again: a.Return,
			Detail: "The sign-in took too long, was already used, or your browser blocks cookies " +
				"from this site.",
		})
	default:
		g.begin(w, r, st, attempt{Again: true, Return: a.Return})
	}
}

func (a attempt) cookie() string { return txCookie + a.ID[:txIDLen] }

// dropOldAttempts makes room for another attempt. Browsers send their oldest cookies first (RFC
// 6265, section 5.4).
func dropOldAttempts(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(part, "=")
			if name = ascii.Trim(name); isAttemptCookie(name) {
				names = append(names, name)
			}
		}
	}
	// The answer to a request with more cookies than any browser has stays small.
	old := min(max(len(names)-maxAttempts+1, 0), maxDropped)
	for _, name := range names[:old] {
		setCookie(w, name, "", -1)
	}
}

// isAttemptCookie reports whether a name is one that we give.
func isAttemptCookie(name string) bool {
	id, ok := strings.CutPrefix(name, txCookie)
	return ok && len(id) == txIDLen && graphic(id) == id
}

// maxDropped bounds how many cookies one answer ends.
const maxDropped = 100

// sealAttempt writes an attempt for an OpenID client. It is compact: the longest path, in base64
// and in a query, has to pass wherever URLs are bounded.
func (g *Gateway) sealAttempt(a attempt, client string) string {
	kind := "0"
	if a.Again {
		kind = "1"
	}
	return g.sealed([]byte(a.ID+kind+a.Return), attemptOf(client))
}

// openAttempt reads what sealAttempt wrote. It has no end: a page may be left open for any time.
func (g *Gateway) openAttempt(state, client string) (a attempt, ok bool) {
	b, ok := g.open(state, 2*wire.MaxPath, attemptOf(client))
	if !ok || len(b) <= secretLen {
		return a, false
	}
	id, again, path := string(b[:secretLen]), b[secretLen] == '1', string(b[secretLen+1:])
	// The version that sealed it may have judged the path by other rules.
	return attempt{ID: id, Again: again, Return: wire.ReturnPath(path)}, true
}

func (g *Gateway) sealProof(p proof, id, client string) (string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	return g.sealed(b, proofOf(id, client)), nil
}

var errNoProof = errors.New("unknown, too old, or used already")

func (g *Gateway) openProof(sealed, id, client string) (p proof, err error) {
	b, ok := g.open(sealed, 1<<10, proofOf(id, client))
	if !ok || json.Unmarshal(b, &p) != nil || g.Now().Unix() > p.Expires {
		return proof{}, errNoProof
	}
	return p, nil
}

// What each half is bound to, so that neither is taken for the other, nor for another attempt's or
// another org's.
func attemptOf(client string) []byte   { return []byte("attempt " + client) }
func proofOf(id, client string) []byte { return []byte("proof " + id + " " + client) }

func (g *Gateway) sealed(b, of []byte) string {
	return base64.RawURLEncoding.EncodeToString(g.Seal.Seal(nil, nil, b, of))
}

func (g *Gateway) open(sealed string, limit int, of []byte) ([]byte, bool) {
	if len(sealed) > limit {
		return nil, false
	}
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		b, err = g.Seal.Open(nil, nil, b, of)
	}
	return b, err == nil
}
