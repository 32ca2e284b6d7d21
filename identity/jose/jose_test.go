package jose

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	other "github.com/go-jose/go-jose/v4"
)

func TestRoundTrip(t *testing.T) {
	for _, alg := range []string{ES256, EdDSA, RS256} {
		made, err := Generate("k1", alg)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := made.JWK()
		if err != nil {
			t.Fatal(err)
		}
		key, err := ParsePrivateKey(secret)
		if err != nil || key.ID != "k1" || key.Alg != alg {
			t.Fatalf("%+v %v", key, err)
		}
		token, err := key.Sign("a+jwt", []byte(`{"n":1}`))
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.Public().JWK()
		if err != nil {
			t.Fatal(err)
		}
		b, err := MarshalSet(public)
		if err != nil {
			t.Fatal(err)
		}
		set, err := ParseSet(b)
		if err != nil || len(set) != 1 {
			t.Fatalf("%v %v", set, err)
		}
		find := func(kid string) (PublicKey, bool) { return set[0], kid == "k1" }
		var c struct{ N int }
		if err := Verify(token, "a+jwt", find, &c); err != nil || c.N != 1 {
			t.Errorf("%s: %v %v", alg, c, err)
		}
		if Type(token) != "a+jwt" {
			t.Error(Type(token))
		}
		if err := Verify(token, "b+jwt", find, &c); !errors.Is(err, ErrToken) {
			t.Errorf("%s of another type: %v", alg, err)
		}
		nobody := func(string) (PublicKey, bool) { return PublicKey{}, false }
		if err := Verify(token, "a+jwt", nobody, &c); !errors.Is(err, ErrToken) {
			t.Errorf("%s without a key: %v", alg, err)
		}

		// Another library reads the key and the token, and writes ones that this one reads.
		var theirs other.JSONWebKey
		if err := theirs.UnmarshalJSON(public); err != nil || theirs.KeyID != "k1" || theirs.Algorithm != alg || theirs.Use != "sig" || !theirs.IsPublic() {
			t.Fatalf("%+v %v", theirs, err)
		}
		signed, err := other.ParseSigned(token, []other.SignatureAlgorithm{other.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := signed.Verify(theirs); err != nil || !bytes.Equal(payload, []byte(`{"n":1}`)) {
			t.Errorf("%s: %q %v", alg, payload, err)
		}
	}
	if _, err := Generate("k", "HS256"); err == nil {
		t.Error("a shared secret signs")
	}
}

// TestParseSet: keys that cannot be used are ignored, and do not hide the others.
func TestParseSet(t *testing.T) {
	jwk := func(alg string, change func(map[string]any)) json.RawMessage {
		t.Helper()
		k, err := Generate("k-"+alg, alg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := k.Public().JWK()
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(m)
		}
		if b, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		return b
	}
	set := func(field string, v any) func(map[string]any) { return func(m map[string]any) { m[field] = v } }
	private, err := Generate("private", ES256)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := private.JWK()
	if err != nil {
		t.Fatal(err)
	}
	b, err := MarshalSet(
		json.RawMessage(`{}`), json.RawMessage(`null`), json.RawMessage(`"x"`), json.RawMessage(`{"kty":"OKP","crv":"X448","kid":"a","x":"AA"}`),
		json.RawMessage(`{"kty":"EC","crv":"secp256k1","kid":"b","x":"AA","y":"AA"}`), json.RawMessage(`{"kty":"oct","kid":"c","alg":"HS256","k":"AAAA"}`),
		jwk(ES256, set("alg", "RS256")), jwk(ES256, set("alg", nil)), jwk(ES256, set("use", "enc")), jwk(ES256, set("kid", "")),
		jwk(ES256, set("y", "AAAA")), secret, jwk(ES256, nil), jwk(EdDSA, nil), jwk(RS256, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseSet(b)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
		if _, is := k.Key.(crypto.Signer); is {
			t.Errorf("%s is private", k.ID)
		}
	}
	if !slices.Equal(ids, []string{"k-ES256", "k-EdDSA", "k-RS256"}) {
		t.Error(ids)
	}
	for _, in := range []string{``, `[]`, `null`, `{}`, `{"keys":{}}`, `{"keys":null}`} {
		if keys, err := ParseSet([]byte(in)); err == nil {
			t.Errorf("%s: %v", in, keys)
		}
	}
	if b, err := MarshalSet(); err != nil || string(b) != `{"keys":[]}` {
		t.Errorf("%s %v", b, err)
	}
	if keys, err := ParseSet([]byte(`{"keys":[]}`)); err != nil || len(keys) != 0 {
		t.Errorf("%v %v", keys, err)
	}
	if _, err := ParsePrivateKey([]byte(strings.Replace(string(secret), `"d"`, `"e"`, 1))); err == nil {
		t.Error("a public key signs")
	}
}
