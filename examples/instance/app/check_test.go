package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

type signer struct {
	key jwk.Key
	alg jwa.SignatureAlgorithm
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := jwk.FromRaw(raw)
	if err != nil {
		t.Fatal(err)
	}
	_ = k.Set(jwk.KeyIDKey, kid)
	_ = k.Set(jwk.AlgorithmKey, jwa.ES256)
	return signer{k, jwa.ES256}
}

func (s signer) sign(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	h := jws.NewHeaders()
	_ = h.Set(jws.TypeKey, typ)
	token, err := jws.Sign(b, jws.WithKey(s.alg, s.key, jws.WithProtectedHeaders(h)))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func write(t *testing.T, file string, signers ...signer) {
	t.Helper()
	set := jwk.NewSet()
	for _, s := range signers {
		public, err := s.key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		_ = set.AddKey(public)
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const typ = "pizzeria-assertion+jwt"

// TestVerify: only a fresh assertion for this org and this generation counts.
func TestVerify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	key, other := newSigner(t, "k1"), newSigner(t, "k1") // another's key under the same name
	write(t, file, key)
	c := &checker{orgID: "acme-id", issuer: "https://d.example", file: file, generation: 3}
	now := time.Now()
	good := map[string]any{
		"iss": "https://d.example", "aud": "urn:pizzeria:org:acme-id", "sub": "u", "org_id": "acme-id", "org_slug": "acme", "org_gen": 3, "role": "admin",
		"email": "a@example.com", "name": "A", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	}
	got, err := c.verify(key.sign(t, typ, good), now)
	if err != nil || got.Role != "admin" || got.Subject != "u" || got.Email != "a@example.com" {
		t.Fatalf("%+v %v", got, err)
	}
	for name, change := range map[string]map[string]any{
		"another org's":         {"aud": "urn:pizzeria:org:globex-id", "org_id": "globex-id"},
		"another audience":      {"aud": "urn:pizzeria:org:globex-id"},
		"another org ID":        {"org_id": "globex-id"},
		"an org session's":      {"aud": "urn:pizzeria:org:acme-id:session"},
		"another issuer":        {"iss": "https://evil.example"},
		"the last generation's": {"org_gen": 2},
		"expired":               {"iat": now.Add(-3 * time.Minute).Unix(), "exp": now.Add(-time.Minute).Unix()},
		"from tomorrow":         {"iat": now.Add(time.Hour).Unix(), "exp": now.Add(time.Hour + time.Minute).Unix()},
		"of an hour":            {"exp": now.Add(time.Hour).Unix()},
		"without an end":        {"exp": nil},
	} {
		claims := maps.Clone(good)
		maps.Copy(claims, change)
		if claims["exp"] == nil {
			delete(claims, "exp")
		}
		if _, err := c.verify(key.sign(t, typ, claims), now); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, token := range map[string]string{
		"another typ": key.sign(t, "pizzeria-session+jwt", good), "another key": other.sign(t, typ, good), "nothing": "", "text": "a.b.c",
		"no algorithm": "eyJhbGciOiJub25lIiwidHlwIjoicGl6emVyaWEtYXNzZXJ0aW9uK2p3dCJ9.e30.",
	} {
		if _, err := c.verify(token, now); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}

	// A new key counts when the file has it; a file that cannot be read changes nothing.
	next := newSigner(t, "k2")
	if _, err := c.verify(next.sign(t, typ, good), now); err == nil {
		t.Error("an unpublished key is accepted")
	}
	write(t, file, key, next)
	if err := os.Chtimes(file, now, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.verify(next.sign(t, typ, good), now); err != nil {
		t.Errorf("a published key: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.verify(key.sign(t, typ, good), now); err != nil {
		t.Errorf("without the file: %v", err)
	}
	if _, err := (&checker{orgID: "acme-id", file: file}).verify(key.sign(t, typ, good), now); err == nil {
		t.Error("a checker without keys accepts")
	}
}
