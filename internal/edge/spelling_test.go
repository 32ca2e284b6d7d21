package edge

import (
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestOtherSpelling: sessions are remembered by the bytes of their token, and end by their ID: the
// other signature of the same token ends with it.
func TestOtherSpelling(t *testing.T) {
	f := newFixture(t)
	i := strings.LastIndexByte(f.token, '.') + 1
	sig, err := base64.RawURLEncoding.DecodeString(f.token[i:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	one, other := f.token, f.token[:i]+base64.RawURLEncoding.EncodeToString(sig)
	for _, f.token = range []string{one, other} {
		f.want(200)
	}
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock})
	for _, f.token = range []string{other, one} {
		f.want(401)
	}
}
