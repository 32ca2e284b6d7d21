package edge

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity/jose"
)

// BenchmarkToken: the first sight of a session token beside the signature check alone, and every later one.
func BenchmarkToken(b *testing.B) {
	f := newFixture(b)
	b.Run("raw", func(b *testing.B) {
		set, err := jose.ParseSet(f.ids.Session.JWKS())
		if err != nil {
			b.Fatal(err)
		}
		key, ok := set[0].Key.(*ecdsa.PublicKey)
		if !ok {
			b.Fatalf("%T", set[0].Key)
		}
		dot := strings.LastIndexByte(f.token, '.')
		sig, err := base64.RawURLEncoding.DecodeString(f.token[dot+1:])
		if err != nil {
			b.Fatal(err)
		}
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		for b.Loop() {
			sum := sha256.Sum256([]byte(f.token[:dot]))
			if !ecdsa.Verify(key, sum[:], r, s) {
				b.Fatal("not valid")
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			f.g.sessions.Purge()
			if _, err := f.g.verified(f.token, f.org.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("repeated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.g.verified(f.token, f.org.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestKnownTokenCostsNoAllocation: a token that was seen before is found without one.
func TestKnownTokenCostsNoAllocation(t *testing.T) {
	f := newFixture(t)
	see := func() {
		if _, err := f.g.verified(f.token, f.org.ID); err != nil {
			t.Error(err)
		}
	}
	see()
	if n := testing.AllocsPerRun(100, see); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
