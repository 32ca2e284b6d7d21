package registry

import (
	"context"
	"time"
)

// Key is one key of a ring. Private is sealed; the store never sees it open.
type Key struct {
	ID        string
	Purpose   string
	Public    []byte // JWK (RFC 7517), JSON
	Private   []byte // sealed JWK
	SignsFrom time.Time
	SignsTo   time.Time // the next key takes over
	ExpiresAt time.Time // verification ends
}

// KeyRotation says what the keys that are replaced are still good for.
type KeyRotation struct {
	Verify    time.Duration // how long what they signed is accepted after they sign no more
	Emergency bool          // they sign no more, and nothing that they signed is accepted
}

// KeyStore keeps sealed signing keys.
type KeyStore interface {
	Keys(ctx context.Context, a Actor, purpose string) ([]Key, error)
	AddKey(ctx context.Context, a Actor, k Key) error
	SigningKeys(ctx context.Context, a Actor) ([]Key, error)
	RotateKeys(ctx context.Context, a Actor, keys []Key, r KeyRotation) error
}
