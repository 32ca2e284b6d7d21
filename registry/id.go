package registry

import "github.com/google/uuid"

// OrgID identifies an org for ever: a UUIDv7 (RFC 9562), never reused.
type OrgID string

// UserID identifies a central account: a UUIDv7.
type UserID string

// SessionID identifies a sign-in session (the `sid` claim): a UUIDv7. It is
// not a secret; the secret is the session's token, of which only a hash is kept.
type SessionID string

// NewID returns a new UUIDv7 in its canonical text form.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ValidID reports whether s is a canonical UUID, the only form that IDs take.
func ValidID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
