package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v2/jws"
)

// MaxToken is the length in bytes of the longest token that is looked at.
const MaxToken = 8 << 10

// ErrToken says that a token is not acceptable. It does not say why: the holder
// of a bad token learns nothing from it.
var ErrToken = errors.New("the token is not valid here")

// strictBase64 refuses padding and non-zero trailing bits, so that a token has one spelling only.
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

// foldName maps names to one spelling when encoding/json takes them for the same: those that are
// equal under Unicode's simple folding.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(r) {
			if next <= r { // the smallest of the orbit follows its largest
				return next
			}
			r = next
		}
	}, name)
}

// unique reads the rest of an object or a list, and refuses repeated names in it. A token is short, and so is its depth.
func unique(d *json.Decoder, object bool) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return errJSON
		}
		if object {
			// encoding/json matches names without case: "SUB" would overwrite "sub", and so would U+017F "ub".
			name, ok := t.(string)
			fold := foldName(name)
			if !ok || seen[fold] {
				return errJSON
			}
			seen[fold] = true
			if t, err = d.Token(); err != nil {
				return errJSON
			}
		}
		if open, ok := t.(json.Delim); ok && unique(d, open == '{') != nil {
			return errJSON
		}
	}
	_, err := d.Token() // its end
	return err
}

var errJSON = errors.New("not strict JSON")

// strictJSON decodes one JSON object without repeated names, at any depth and whatever their case, of valid
// UTF-8, with nothing after it; with closed set also without unknown ones.
func strictJSON(raw []byte, into any, closed bool) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); !utf8.Valid(raw) || err != nil || t != json.Delim('{') || unique(d, true) != nil {
		return errJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	d = json.NewDecoder(bytes.NewReader(raw))
	if closed {
		d.DisallowUnknownFields()
	}
	if d.Decode(into) != nil {
		return errJSON
	}
	return nil
}
