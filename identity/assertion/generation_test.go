package assertion

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// TestAnyGeneration: an instance that nobody tells of generations takes each of its org, and
// nothing of another; one that was only not told which takes none.
func TestAnyGeneration(t *testing.T) {
	path, key, now := filepath.Join(t.TempDir(), "jwks.json"), newSigner(t, "k1"), time.Now()
	write(t, path, jwks(t, key))
	for configured, accepts := range map[int64]bool{AnyGeneration: true, 0: false, 2: false} {
		v, err := New(Config{
			OrgID: "acme-id", Issuer: "https://d.example", Generation: configured, Keys: File(path),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, generation := range []int{1, 3, 99} {
			token := key.sign(t, typ, good(now, map[string]any{"org_gen": generation}))
			if _, err := v.Verify(t.Context(), token); (err == nil) != accepts || !accepts && !errors.Is(err, ErrInvalid) {
				t.Errorf("generation %d where %d is configured: %v", generation, configured, err)
			}
		}
		another := key.sign(t, typ, good(now, map[string]any{"org_id": "globex-id", "aud": "urn:pizzeria:org:globex-id"}))
		if _, err := v.Verify(t.Context(), another); !errors.Is(err, ErrInvalid) {
			t.Errorf("another org's: %v", err)
		}
	}
}
