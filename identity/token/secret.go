package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"

	"github.com/pizzaface/pizzeria/registry"
)

// Secret is 256 random bits as base64url without padding. It prints only when
// asked to with Reveal.
type Secret string

const SecretBytes = 32

// NewSecret returns a new Secret.
func NewSecret() Secret {
	var b [SecretBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Reveal returns the secret itself, to hand it to its holder.
func (s Secret) Reveal() string { return string(s) }

// Hash returns what may be stored of it. A plain SHA-256 suffices for 256 random bits.
func (s Secret) Hash() registry.Hash { return sha256.Sum256([]byte(s)) }

// String implements fmt.Stringer without the secret.
func (Secret) String() string { return "[redacted]" }

// GoString keeps %#v from printing the secret.
func (Secret) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer without the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON writes null.
func (Secret) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
