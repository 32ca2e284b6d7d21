package registry

import (
	"log/slog"
)

// PasswordHash is an argon2id hash in PHC string form. It never prints.
type PasswordHash string

// String implements fmt.Stringer without the hash.
func (PasswordHash) String() string { return "[redacted]" }

// GoString keeps %#v from printing the hash.
func (PasswordHash) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer without the hash.
func (PasswordHash) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON writes null: a hash leaves the process only towards the store.
func (PasswordHash) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
