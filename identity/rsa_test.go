package identity

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// TestRSAKeyOnSeveralNodes: the key for RS256 is made once, by whoever needs it first, and nodes
// that never heard of it find it when they do.
func TestRSAKeyOnSeveralNodes(t *testing.T) {
	f := newFixture(t)
	node := func() *Service {
		s := New(f.store, f.s.master, func() token.Site { return f.s.Site() }, slog.New(slog.DiscardHandler), f.clock.now)
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := node(), node()
	if len(one.TokenRSA.Stored()) > 0 || string(one.TokenJWKS()) != string(one.Token.JWKS()) {
		t.Fatal("a key that nobody wants")
	}
	done := make(chan error)
	for _, s := range []*Service{one, two} {
		go func() { done <- s.TokenRSA.Ensure(ctx) }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	keys, err := f.store.Keys(ctx, registry.AsSystem("test"), token.RingTokenRSA)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if a, b := string(one.TokenJWKS()), string(two.TokenJWKS()); a != b || strings.Count(a, `"RS256"`) != 1 {
		t.Errorf("%s\n%s", a, b)
	}
	// From then on it is kept as the others are, after a start too, and from the snapshot.
	three := node()
	if len(three.TokenRSA.Stored()) == 0 {
		t.Error("it is forgotten")
	}
	four := New(f.store, f.s.master, func() token.Site { return f.s.Site() }, slog.New(slog.DiscardHandler), f.clock.now)
	if err := four.UseKeys(one.SealedKeys()); err != nil || len(four.TokenRSA.Stored()) == 0 {
		t.Errorf("from a snapshot: %v", err)
	}
	f.clock.add(token.KeySigns - token.KeyPublish/2)
	if err := three.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(three.TokenJWKS()), `"RS256"`); n != 2 {
		t.Errorf("%d keys before the first one's end", n)
	}
	// Its ring signs ID tokens alone: another kind of token by its key is none.
	for _, typ := range []string{token.TypAPI, token.TypSession, token.TypAssertion} {
		tok, err := three.TokenRSA.Sign(typ, map[string]any{
			"iss": "https://d.example", "aud": "https://d.example", "sid": "s", "sub": "u",
			"iat": f.clock.now().Unix(), "exp": f.clock.now().Unix() + 300,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := three.VerifyAPI(tok); err == nil {
			t.Errorf("%s by the key for ID tokens", typ)
		}
		if _, err := three.VerifyHint(tok); err == nil {
			t.Errorf("%s is an ID token", typ)
		}
	}
}
