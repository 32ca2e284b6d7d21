package registry

import (
	"context"
	"time"
)

// FactorID identifies a second factor: a UUIDv7.
type FactorID string

// Factor is what somebody shows beside their password: an authenticator app (TOTP, RFC 6238), or a
// passkey, which signs in without one, too.
type Factor struct {
	ID         FactorID   `json:"id"`
	Kind       FactorKind `json:"kind" enum:"totp,passkey"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt time.Time  `json:"last_used_at,omitzero"`
	Sealed     []byte     `json:"-"` // its secret
}

// FactorKind says what sort of factor it is.
type FactorKind string

// The kinds of factors.
const (
	FactorTOTP    FactorKind = "totp"
	FactorPasskey FactorKind = "passkey"
)

// Bounds of factors.
const (
	FactorsMax        = 10 // of one person
	RecoveryCodeCount = 10
)

// FactorReader reads second factors.
type FactorReader interface {
	Factors(ctx context.Context, a Actor, id UserID) ([]Factor, error)
}

// FactorStore keeps second factors.
type FactorStore interface {
	AddFactor(
		ctx context.Context, a Actor, f Factor, step int64, recovery []Hash,
	) (first bool, err error)
	SetRecoveryCodes(ctx context.Context, a Actor, hashes []Hash) error
	RemoveFactors(ctx context.Context, a Actor, id UserID, factor FactorID) error
	UseFactor(ctx context.Context, a Actor, id FactorID, step int64, sealed []byte) error
	UseRecoveryCode(ctx context.Context, a Actor, id UserID, code Hash) (left int, err error)
}
