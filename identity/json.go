package identity

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
)

// strictClaims reads what another provider says of somebody. Its own names may be anything, but
// none may be one that a library reads as a standard claim.
func strictClaims(raw []byte) (claims map[string]json.RawMessage, err error) {
	if err := jose.CheckObject(raw, noLookalike); err != nil {
		return nil, err
	}
	return claims, json.Unmarshal(raw, &claims)
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
