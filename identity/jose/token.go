package jose

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// MaxToken is the length in bytes of the longest token that is looked at.
const MaxToken = 8 << 10

// ErrToken says that a token is not acceptable. It does not say why: the holder
// of a bad token learns nothing from it.
var ErrToken = errors.New("the token is not valid here")

// strict refuses padding and non-zero trailing bits. A token still has other spellings: an ES256
// signature has two. Do not identify tokens by their bytes.
var strict = base64.RawURLEncoding.Strict()

// Sign signs a payload as a token with the header parameters alg, kid and typ.
func (k *PrivateKey) Sign(typ string, payload []byte) (string, error) {
	h := jws.NewHeaders() // jws.Sign writes into it: never shared
	if err := h.Set(jws.KeyIDKey, k.ID); err != nil {
		return "", err
	}
	if err := h.Set(jws.TypeKey, typ); err != nil {
		return "", err
	}
	key := jws.WithKey(jwa.SignatureAlgorithm(k.Alg), k.Signer, jws.WithProtectedHeaders(h))
	b, err := jws.Sign(payload, key)
	return string(b), err
}

// Verify checks the signature of a token and decodes its claims. Only tokens with exactly this typ
// count, and only under the key that find returns for their kid. The header has no parameters but
// alg, kid and typ: no jku, x5u, jwk or crit to follow (RFC 8725, sections 3.1, 3.10 and 3.11).
// What the claims say is for the caller to check. Errors: ErrToken.
func Verify(token, typ string, find func(kid string) (PublicKey, bool), claims any) error {
	// base64 decoders skip line breaks.
	if len(token) > MaxToken || strings.Count(token, ".") != 2 || strings.ContainsAny(token, "\r\n") {
		return ErrToken
	}
	head, rest, _ := strings.Cut(token, ".")
	var h struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	raw, err := strict.DecodeString(head)
	if err != nil || DecodeStrict(raw, &h, true) != nil || h.Typ != typ {
		return ErrToken
	}
	body, sig, _ := strings.Cut(rest, ".")
	payload, err := strict.DecodeString(body)
	if err != nil {
		return ErrToken
	}
	if _, err := strict.DecodeString(sig); err != nil {
		return ErrToken
	}
	key, ok := find(h.Kid)
	if !ok || h.Alg != key.Alg { // the key says how it verifies, not the token
		return ErrToken
	}
	if _, err := jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(key.Alg), key.Key)); err != nil {
		return ErrToken
	}
	if DecodeStrict(payload, claims, false) != nil {
		return ErrToken
	}
	return nil
}

// Type returns the typ of something that looks like a token, without checking it.
func Type(token string) string {
	head, _, ok := strings.Cut(token, ".")
	if !ok || len(token) > MaxToken {
		return ""
	}
	var h struct {
		Typ string `json:"typ"`
	}
	raw, err := strict.DecodeString(head)
	if err != nil || json.Unmarshal(raw, &h) != nil {
		return ""
	}
	return h.Typ
}

// Issuer returns the iss in the payload part of something that looks like a token, without
// checking it.
func Issuer(payload string) string {
	var c struct {
		Issuer string `json:"iss"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return ""
	}
	return c.Issuer
}
