package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

var errJSON = errors.New("not strict JSON")

// maxDepth bounds how deep objects and lists may be nested.
const maxDepth = 32

// strictJSON decodes one JSON object of valid UTF-8 with nothing after it, without repeated names
// and with no name but in lower case; with closed set also without unknown ones. encoding/json
// takes names for the same that differ in case, by Unicode's rules: U+017F is an s to it.
func strictJSON(raw []byte, into any, closed bool) error {
	if err := checkJSON(raw, lowerName); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if closed {
		d.DisallowUnknownFields()
	}
	if d.Decode(into) != nil {
		return errJSON
	}
	return nil
}

// strictClaims reads what another provider says of somebody. Its own names may be anything, but
// none may be one that a library reads as a standard claim.
func strictClaims(raw []byte) (claims map[string]json.RawMessage, err error) {
	if err := checkJSON(raw, noLookalike); err != nil {
		return nil, err
	}
	return claims, json.Unmarshal(raw, &claims)
}

// checkJSON refuses what is not one object of valid UTF-8, repeated names at any depth, and names
// that are not ok.
func checkJSON(raw []byte, ok func(name string) bool) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if !utf8.Valid(raw) || err != nil || t != json.Delim('{') {
		return errJSON
	}
	if err := checkRest(d, true, ok, maxDepth); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

// checkRest reads the rest of an object or a list.
func checkRest(d *json.Decoder, object bool, ok func(string) bool, depth int) error {
	if depth == 0 {
		return errJSON
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return errJSON
		}
		if object {
			name, text := t.(string)
			if !text || seen[name] || !ok(name) {
				return errJSON
			}
			seen[name] = true
			if t, err = d.Token(); err != nil {
				return errJSON
			}
		}
		if open, is := t.(json.Delim); is && checkRest(d, open == '{', ok, depth-1) != nil {
			return errJSON
		}
	}
	_, err := d.Token() // its end
	return err
}

// lowerName reports whether a name is of our own spelling, so that two that fold onto each other
// are the same.
func lowerName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// standardClaims are those that go-oidc reads, and that decide here.
var standardClaims = []string{
	"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "auth_time", "email",
	"email_verified", "_claim_names", "_claim_sources",
}

// noLookalike reports whether a name is no other spelling of a standard claim.
func noLookalike(name string) bool {
	return slices.Contains(standardClaims, name) ||
		!slices.ContainsFunc(standardClaims, func(c string) bool { return strings.EqualFold(c, name) })
}

// numericDate reads a NumericDate (RFC 7519, section 2) that somebody else wrote, moved to the
// nearest of from and to when it is outside of them. ok is false of what is no number.
func numericDate(raw json.RawMessage, from, to time.Time) (t time.Time, ok bool) {
	var seconds *float64
	if json.Unmarshal(raw, &seconds) != nil || seconds == nil {
		return time.Time{}, false
	}
	// A number that no int64 holds becomes any other by conversion.
	clamped := min(max(*seconds, float64(from.Unix())), float64(to.Unix()))
	return time.Unix(int64(clamped), 0), true
}
