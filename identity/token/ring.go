package token

import (
	"context"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/registry"
)

// Ring purposes: one ring a kind of token, so that a key of one never verifies another.
const (
	RingToken     = "token"     // ID and API tokens
	RingSession   = "session"   // org sessions
	RingAssertion = "assertion" // assertions for instances

	// RingTokenRSA signs ID tokens for apps that were registered with RS256, and nothing else. It has
	// no key before there is such an app.
	RingTokenRSA = RingToken + "_rs256"
)

// Life of a key: it signs for keySigns, its successor is published keyPublish
// before it signs, and it verifies for keyVerifies after its last signature.
const (
	KeySigns    = 90 * 24 * time.Hour
	KeyPublish  = 24 * time.Hour
	KeyVerifies = 24 * time.Hour
)

// Algorithms are what signing keys may be of (RFC 7518, RFC 8037); each key has one, and nothing else counts with it.
func Algorithms() []string { return []string{jose.ES256, jose.EdDSA} }

// Ring is the set of keys for one purpose. The current set is read
// without locks; when the store is away the last one known goes on.
type Ring struct {
	purpose string
	source  KeySource
	store   registry.KeyStore // nil: the ring only verifies
	seal    cipher.AEAD       // then nil
	now     func() time.Time
	mu      sync.Mutex // one Refresh at a time
	keys    atomic.Pointer[ringKeys]
	version atomic.Uint64 // rises with each other set of keys
	alg     func() string // of new keys
	lazy    bool          // its first key is made when it is wanted
}

type ringKeys struct {
	list []ringKey // by SignsFrom
	jwks []byte
}

// public returns the public keys as JWKs.
func (k *ringKeys) public() (jwks []json.RawMessage) {
	for i := range k.list {
		jwks = append(jwks, k.list[i].Public)
	}
	return jwks
}

type ringKey struct {
	registry.Key
	public  jose.PublicKey   // that verifies
	private *jose.PrivateKey // nil: it only verifies
}

// KeySource is where a ring that only verifies reads its keys.
type KeySource interface {
	// Keys returns the keys of a ring, by when they sign from. Their private halves are not needed.
	Keys(ctx context.Context, purpose string) ([]registry.Key, error)
}

// NewRing makes an empty ring; Refresh fills it.
// alg names the algorithm of new keys, one of Algorithms; nil is ES256.
func NewRing(purpose string, store registry.KeyStore, key registry.SecretKey, now func() time.Time, alg func() string) *Ring {
	if alg == nil {
		alg = func() string { return jose.ES256 }
	}
	return &Ring{
		purpose: purpose, source: stored{store}, store: store, seal: key.Sealer("keys/" + purpose),
		now: now, alg: alg,
	}
}

// NewPublicRing makes an empty ring that only verifies; Refresh fills it.
func NewPublicRing(purpose string, source KeySource, now func() time.Time) *Ring {
	return &Ring{purpose: purpose, source: source, now: now}
}

// stored reads a ring's keys from the store.
type stored struct{ registry.KeyStore }

// Keys implements KeySource.
func (s stored) Keys(ctx context.Context, purpose string) ([]registry.Key, error) {
	return s.KeyStore.Keys(ctx, registry.AsSystem("keys"), purpose)
}

// Refresh reads the ring and adds the next key when it is time to publish one.
// An error leaves the ring as it was.
func (r *Ring) Refresh(ctx context.Context) error { return r.refresh(ctx, !r.lazy) }

// Ensure makes sure that a key signs: in a lazy ring the first, which its first readers cannot have
// cached a set without.
func (r *Ring) Ensure(ctx context.Context) error {
	if _, err := r.signer(); err == nil {
		return nil
	}
	return r.refresh(ctx, true)
}

func (r *Ring) refresh(ctx context.Context, first bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range 2 {
		stored, err := r.source.Keys(ctx, r.purpose)
		if err != nil {
			return err
		}
		if r.store == nil || len(stored) == 0 && !first {
			return r.use(stored)
		}
		from := r.now()
		if n := len(stored); n > 0 {
			last := stored[n-1].SignsTo
			if from.Before(last.Add(-KeyPublish)) {
				return r.use(stored)
			}
			if from.Before(last) {
				from = last
			}
		}
		k, err := r.newKey(from)
		if err != nil {
			return err
		}
		// Another node may have been first; reading again tells.
		if err := r.store.AddKey(ctx, registry.AsSystem("keys"), k); err != nil {
			return err
		}
	}
	stored, err := r.source.Keys(ctx, r.purpose)
	if err != nil {
		return err
	}
	return r.use(stored)
}

// Use puts stored keys to use, those of this ring among them, without asking the store.
// registry.ErrSealed: they do not open.
func (r *Ring) Use(stored []registry.Key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var own []registry.Key
	for _, k := range stored {
		if k.Purpose == r.purpose && r.now().Before(k.ExpiresAt) {
			own = append(own, k)
		}
	}
	slices.SortFunc(own, func(a, b registry.Key) int { return a.SignsFrom.Compare(b.SignsFrom) })
	return r.use(own)
}

func (r *Ring) newKey(from time.Time) (registry.Key, error) {
	k := registry.Key{
		ID: registry.NewID(), Purpose: r.purpose, SignsFrom: from, SignsTo: from.Add(KeySigns),
		ExpiresAt: from.Add(KeySigns + KeyVerifies),
	}
	private, err := jose.Generate(k.ID, r.alg())
	if err != nil {
		return k, err
	}
	if k.Public, err = private.Public().JWK(); err != nil {
		return k, err
	}
	secret, err := private.JWK()
	if err != nil {
		return k, err
	}
	// The ID is authenticated, so a sealed key cannot be moved to another row.
	k.Private = r.seal.Seal(nil, nil, secret, []byte(k.ID))
	return k, nil
}

func (r *Ring) use(stored []registry.Key) error {
	next := &ringKeys{}
	for _, k := range stored {
		key, err := r.open(k)
		if err != nil {
			return err
		}
		next.list = append(next.list, key)
	}
	var err error
	if next.jwks, err = jose.MarshalSet(next.public()...); err != nil {
		return err
	}
	old := r.keys.Swap(next)
	if old == nil || string(old.jwks) != string(next.jwks) {
		r.version.Add(1)
	}
	return nil
}

// open makes a key usable. registry.ErrSealed: it is sealed under another secret key.
func (r *Ring) open(k registry.Key) (out ringKey, err error) {
	out.Key = k
	if out.public, err = jose.ParsePublicKey(k.Public); err != nil {
		return out, fmt.Errorf("key %s: %w", k.ID, err)
	}
	if r.store == nil {
		return out, nil
	}
	secret, err := r.seal.Open(nil, nil, k.Private, []byte(k.ID))
	if err != nil {
		return out, fmt.Errorf("the %s key %s does not open under the secret key: %w", r.purpose, k.ID, registry.ErrSealed)
	}
	if out.private, err = jose.ParsePrivateKey(secret); err != nil {
		return out, fmt.Errorf("key %s: %w", k.ID, err)
	}
	// What is sealed decides: the other half stands in the store for everybody to change.
	out.public = out.private.Public()
	return out, nil
}

// Version tells sets of keys apart: what was verified under another must be verified again.
func (r *Ring) Version() uint64 { return r.version.Load() }

// Stored returns the keys in use as the store keeps them: sealed.
func (r *Ring) Stored() (out []registry.Key) {
	if k := r.keys.Load(); k != nil {
		for i := range k.list {
			out = append(out, k.list[i].Key)
		}
	}
	return out
}

// JWKS returns the public keys as a JWK set (RFC 7517).
func (r *Ring) JWKS() []byte {
	if k := r.keys.Load(); k != nil {
		return k.jwks
	}
	return []byte(`{"keys":[]}`)
}

// published returns the public keys as JWKs.
func (r *Ring) published() []json.RawMessage {
	if k := r.keys.Load(); k != nil {
		return k.public()
	}
	return nil
}

// belongs reports whether a ring is what a name stands for: one ring, or "" for all. That of ID
// tokens in RS256 goes with the other tokens'.
func (r *Ring) belongs(name string) bool {
	return name == "" || r.purpose == name || name == RingToken && r.purpose == RingTokenRSA
}

// empty reports whether a ring has no key.
func (r *Ring) empty() bool {
	k := r.keys.Load()
	return k == nil || len(k.list) == 0
}

// sign signs a payload as a compact JWS with the given typ.
func (r *Ring) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	k, err := r.signer()
	if err != nil {
		return "", err
	}
	return k.private.Sign(typ, payload)
}

// signer returns the key that signs now.
func (r *Ring) signer() (*ringKey, error) {
	keys, now := r.keys.Load(), r.now()
	if keys == nil {
		return nil, fmt.Errorf("the %s ring is empty", r.purpose)
	}
	for i := len(keys.list) - 1; i >= 0; i-- {
		if k := &keys.list[i]; k.private != nil && !k.SignsFrom.After(now) {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no key of the %s ring signs yet", r.purpose)
}

// verify checks a token of kind typ against the ring and decodes its claims. Errors: ErrToken.
func (r *Ring) Verify(token, typ string, claims any) error {
	return jose.Verify(token, typ, r.verifier, claims)
}

// verifier returns the key with an ID that still verifies.
func (r *Ring) verifier(kid string) (k jose.PublicKey, ok bool) {
	keys, now := r.keys.Load(), r.now()
	if keys == nil {
		return k, false
	}
	for i := range keys.list {
		if k := &keys.list[i]; k.ID == kid && now.Before(k.ExpiresAt) {
			return k.public, true
		}
	}
	return k, false
}

// Algorithms are those of the keys in use, in the order of Algorithms.
func (r *Ring) Algorithms() (out []string) {
	keys := r.keys.Load()
	if keys == nil {
		return nil
	}
	for _, alg := range Algorithms() {
		if slices.ContainsFunc(keys.list, func(k ringKey) bool { return k.public.Alg == alg }) {
			out = append(out, alg)
		}
	}
	return out
}
