package registry

import (
	"context"
	"time"
)

// APIKeyID identifies an API key: a UUIDv7. It is not the key.
type APIKeyID string

// APIKey is a key for programs: a person's own (`pza_`), or an org's (`pzs_`).
// The key itself is known to its holder alone; the store has its SHA-256.
type APIKey struct {
	ID         APIKeyID   `json:"id" doc:"ID of the key (UUIDv7); the key itself is never shown again"`
	Kind       APIKeyKind `json:"kind" enum:"personal,service" doc:"personal: acts as a person; service: belongs to an org"`
	Name       string     `json:"name" doc:"label that the creator chose"`
	UserID     UserID     `json:"user_id,omitempty" doc:"account that a personal key acts as"`
	OrgID      OrgID      `json:"org_id,omitempty" doc:"the only org that the key reaches; absent: all of the person's orgs"`
	Role       Role       `json:"role,omitempty" enum:"member,admin" doc:"a service key's role in its org"`
	Scopes     []Scope    `json:"scopes" doc:"what the key may do at most"`
	CreatedBy  string     `json:"created_by" doc:"email address of the creator, or operator"`
	CreatedAt  time.Time  `json:"created_at" doc:"when the key was created"`
	ExpiresAt  time.Time  `json:"expires_at" doc:"when the key stops working"`
	LastUsedAt time.Time  `json:"last_used_at,omitzero" doc:"last use, accurate to about a minute; absent: never used"`
	// LastUsedAddress is the client IP of the last use.
	LastUsedAddress string `json:"last_used_address,omitempty" doc:"client IP address of the last use"`
}

// KeyUse is a use of a key.
type KeyUse struct {
	At      time.Time
	Address string
}

// APIKeyKind says whose a key is.
type APIKeyKind string

// The kinds of keys.
const (
	APIKeyPersonal APIKeyKind = "personal"
	APIKeyService  APIKeyKind = "service"
)

// NewAPIKey is what CreateAPIKey needs.
type NewAPIKey struct {
	Name   string
	OrgID  OrgID // the org of a service key; the only org of a personal key, "" = all
	Role   Role  // of a service key: member or admin
	Scopes []Scope
	Life   time.Duration // 0 = KeyLife; at most KeyLifeMax
}

// Lifetimes and number of keys.
const (
	KeyLife    = 90 * 24 * time.Hour
	KeyLifeMax = 366 * 24 * time.Hour
	KeysMax    = 50 // of one person or org
)

// AsKey is whoever presents an API key. u is the owner of a personal key.
func AsKey(k APIKey, u User, address string) Actor {
	scopes, _ := NewScopeSet(k.Scopes)
	a := Actor{key: k.ID, scopes: scopes, only: k.OrgID, address: address}
	if k.Kind == APIKeyService {
		a.kind, a.role, a.name = ActorService, k.Role, "key "+k.Name
		return a
	}
	a.review = !u.RecoveredAt.IsZero()
	a.kind, a.User, a.name = ActorUser, u.ID, u.Email+" (key "+k.Name+")"
	a.platform = u.PlatformAdmin && k.OrgID == "" && scopes.Has(ScopePlatform)
	return a
}

// APIKeyStore lists and revokes keys.
type APIKeyStore interface {
	APIKeys(ctx context.Context, a Actor, org OrgID) ([]APIKey, error)
	RevokeAPIKey(ctx context.Context, a Actor, org OrgID, id APIKeyID) error
}

// APIKeyIssuer creates keys and finds them.
type APIKeyIssuer interface {
	CreateAPIKey(ctx context.Context, a Actor, n NewAPIKey, hash Hash) (APIKey, error)
	APIKeyByHash(ctx context.Context, a Actor, hash Hash) (k APIKey, u User, err error)
	TouchAPIKeys(ctx context.Context, a Actor, used map[APIKeyID]KeyUse) error
}
