package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jws"
)

// MaxToken is the length in bytes of the longest token that is looked at.
const MaxToken = 8 << 10

// ErrToken says that a token is not acceptable. It does not say why: the holder
// of a bad token learns nothing from it.
var ErrToken = errors.New("the token is not valid here")

// strictBase64 refuses padding and non-zero trailing bits. A token has other spellings all the same:
// of an ES256 signature there are two. Nothing that ends tokens may go by their bytes.
var strictBase64 = base64.RawURLEncoding.Strict()

// verify checks a compact JWS of kind typ against the ring and decodes its
// claims. The header may hold alg, kid and typ only: no jku, x5u, jwk or crit
// to follow (RFC 8725, sections 3.1, 3.10, 3.11). Names may not repeat.
func (r *Ring) verify(token, typ string, claims any) error {
	// Decoders of base64 skip line breaks.
	if len(token) > MaxToken || strings.Count(token, ".") != 2 || strings.ContainsAny(token, "\r\n") {
		return ErrToken
	}
	head, rest, _ := strings.Cut(token, ".")
	var h struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	raw, err := strictBase64.DecodeString(head)
	if err != nil || strictJSON(raw, &h, true) != nil {
		return ErrToken
	}
	if h.Typ != typ {
		return ErrToken
	}
	body, sig, _ := strings.Cut(rest, ".")
	payload, err := strictBase64.DecodeString(body)
	if err != nil {
		return ErrToken
	}
	if _, err := strictBase64.DecodeString(sig); err != nil {
		return ErrToken
	}
	key := r.verifier(h.Kid)
	if key == nil || h.Alg != key.alg.String() { // the key says how it verifies, not the token
		return ErrToken
	}
	if _, err := jws.Verify([]byte(token), jws.WithKey(key.alg, key.private.Public())); err != nil {
		return ErrToken
	}
	if strictJSON(payload, claims, false) != nil {
		return ErrToken
	}
	return nil
}

// TokenType returns the typ of something that looks like a token, unverified: to tell whose it may be.
func TokenType(token string) string {
	head, _, ok := strings.Cut(token, ".")
	if !ok || len(token) > MaxToken {
		return ""
	}
	var h struct {
		Typ string `json:"typ"`
	}
	raw, err := strictBase64.DecodeString(head)
	if err != nil || json.Unmarshal(raw, &h) != nil {
		return ""
	}
	return h.Typ
}

// TokenIssuer returns the iss of the payload of something that looks like a token, unverified.
func TokenIssuer(payload string) string {
	var c struct {
		Issuer string `json:"iss"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return ""
	}
	return c.Issuer
}
