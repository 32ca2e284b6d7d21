package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// A key is published a day before it signs, and verifies until what it signed has ended.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	r := f.s.Session
	tok := func() (string, string) {
		t.Helper()
		s, err := r.Sign(token.TypSession, map[string]any{"n": 1})
		if err != nil {
			t.Fatal(err)
		}
		kid := ""
		for _, k := range r.Stored() {
			var v map[string]any
			if strings.Contains(decodedHeader(s), k.ID) && r.Verify(s, token.TypSession, &v) == nil {
				kid = k.ID
			}
		}
		return s, kid
	}
	old, first := tok()
	refresh := func(d time.Duration) {
		t.Helper()
		f.clock.add(d)
		if err := r.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
	}
	refresh(token.KeySigns - token.KeyPublish - time.Hour)
	if n := strings.Count(string(r.JWKS()), `"kid"`); n != 1 {
		t.Fatalf("%d keys are published too early", n)
	}
	refresh(2 * time.Hour)
	if n := strings.Count(string(r.JWKS()), `"kid"`); n != 2 {
		t.Fatalf("%d keys are published before the change, want 2", n)
	}
	if _, kid := tok(); kid != first {
		t.Fatal("the new key signs before its day")
	}
	refresh(token.KeyPublish)
	_, second := tok()
	if second == first || second == "" {
		t.Fatal("the new key does not sign on its day")
	}
	var v map[string]any
	if err := r.Verify(old, token.TypSession, &v); err != nil {
		t.Fatal("the old key does not verify any more")
	}
	f.clock.add(token.KeyVerifies + time.Hour)
	if err := r.Verify(old, token.TypSession, &v); err == nil {
		t.Fatal("the old key verifies for ever")
	}
	if strings.Contains(string(r.JWKS()), `"d"`) {
		t.Fatal("a private key is published")
	}
}

func decodedHeader(token string) string {
	b, _ := b64.DecodeString(token[:strings.IndexByte(token, '.')])
	return string(b)
}

// awayStore fails, or hands out other keys.
type awayStore struct {
	registry.KeyStore
	err    error
	change func([]registry.Key) []registry.Key
}

func (a *awayStore) Keys(ctx context.Context, actor registry.Actor, purpose string) ([]registry.Key, error) {
	if a.err != nil {
		return nil, a.err
	}
	k, err := a.KeyStore.Keys(ctx, actor, purpose)
	return a.change(slices.Clone(k)), err
}

func TestRingWithoutStore(t *testing.T) {
	f := newFixture(t)
	store := &awayStore{KeyStore: f.store, change: func(k []registry.Key) []registry.Key { return k }}
	r := token.NewRing(token.RingSession, store, f.s.master, f.clock.now, nil)
	if _, err := r.Sign(token.TypSession, 1); err == nil {
		t.Fatal("an empty ring signs")
	}
	if err := r.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	store.err = errors.New("away")
	if err := r.Refresh(ctx); err == nil {
		t.Fatal("no error")
	}
	if _, err := r.Sign(token.TypSession, map[string]any{}); err != nil {
		t.Fatalf("the last known ring does not go on: %v", err)
	}
}

// A sealed key opens only under its own secret key, purpose and ID.
func TestSealedKeys(t *testing.T) {
	f := newFixture(t)
	same := func(k []registry.Key) []registry.Key { return k }
	for name, r := range map[string]*token.Ring{
		"another secret key": token.NewRing(token.RingSession, f.store, &MasterKey{raw: [32]byte{2}}, f.clock.now, nil),
		"another purpose": token.NewRing(token.RingSession, &awayStore{KeyStore: f.store, change: func([]registry.Key) []registry.Key {
			k, _ := f.store.Keys(ctx, registry.AsSystem("test"), token.RingToken)
			return k
		}}, f.s.master, f.clock.now, nil),
		"another row": token.NewRing(token.RingSession, &awayStore{KeyStore: f.store, change: func(k []registry.Key) []registry.Key {
			k[0].ID = registry.NewID()
			return k
		}}, f.s.master, f.clock.now, nil),
	} {
		if err := r.Refresh(ctx); err == nil || !strings.Contains(err.Error(), "secret key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := token.NewRing(token.RingSession, &awayStore{KeyStore: f.store, change: same}, f.s.master, f.clock.now, nil).Refresh(ctx); err != nil {
		t.Error(err)
	}
}

// TestPublicHalf: replacing the public half of a key in the database does not make tokens of another
// key valid, since verification uses the sealed half.
func TestPublicHalf(t *testing.T) {
	f := newFixture(t)
	var theirs *jose.PrivateKey
	changed := &awayStore{KeyStore: f.store, change: func(keys []registry.Key) []registry.Key {
		for i := range keys {
			var err error
			if theirs, err = jose.Generate(keys[i].ID, jose.ES256); err != nil {
				t.Fatal(err)
			}
			if keys[i].Public, err = theirs.Public().JWK(); err != nil {
				t.Fatal(err)
			}
		}
		return keys
	}}
	r := token.NewRing(token.RingSession, changed, f.s.master, f.clock.now, nil)
	if err := r.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	forged, err := theirs.Sign(token.TypSession, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := r.Verify(forged, token.TypSession, &v); err == nil {
		t.Error("a token of another key is accepted")
	}
	own, err := r.Sign(token.TypSession, map[string]any{})
	if err == nil {
		err = r.Verify(own, token.TypSession, &v)
	}
	if err != nil {
		t.Errorf("its own: %v", err)
	}
}
