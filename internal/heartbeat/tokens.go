package heartbeat

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Tokens makes the tokens of instances. They are derived from the installation's secret key, so that
// nothing is stored. One counts for a generation of an org at an issuer: whether that generation is
// the present one is for the Push to ask.
type Tokens struct{ key [32]byte }

// NewTokens derives the key.
func NewTokens(key registry.SecretKey) *Tokens { return &Tokens{key.Derive("instance tokens")} }

// Of returns the token of an instance.
func (t *Tokens) Of(issuer string, ref provision.Ref) token.Secret {
	m := hmac.New(sha256.New, t.key[:])
	_, _ = fmt.Fprintf(m, "%q %q %d", issuer, ref.OrgID, ref.Generation)
	return token.KeyOf(token.PrefixInstance, [32]byte(m.Sum(nil)))
}

// Fits reports whether a bearer is the token of an instance.
func (t *Tokens) Fits(bearer, issuer string, ref provision.Ref) bool {
	want := t.Of(issuer, ref).Reveal()
	return subtle.ConstantTimeCompare([]byte(bearer), []byte(want)) == 1
}

// KeyID tells one secret key from another, without saying anything of it.
func (t *Tokens) KeyID() string {
	m := hmac.New(sha256.New, t.key[:])
	_, _ = m.Write([]byte("key"))
	return fmt.Sprintf("%x", m.Sum(nil)[:8])
}
