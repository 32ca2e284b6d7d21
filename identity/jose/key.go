package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// The algorithms of keys (RFC 7518, section 3.1; RFC 8037).
const (
	ES256 = "ES256"
	EdDSA = "EdDSA"
	RS256 = "RS256"
)

// rsaBits is the least that RFC 7518, section 3.3 allows.
const rsaBits = 2048

// PrivateKey signs tokens with one algorithm.
type PrivateKey struct {
	ID     string
	Alg    string // ES256, EdDSA or RS256
	Signer crypto.Signer
}

// PublicKey verifies tokens of one algorithm.
type PublicKey struct {
	ID  string
	Alg string // ES256, EdDSA or RS256
	Key crypto.PublicKey
}

// Generate makes a key of one of the algorithms.
func Generate(id, alg string) (*PrivateKey, error) {
	k := &PrivateKey{ID: id, Alg: alg}
	var err error
	switch alg {
	case ES256:
		k.Signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, k.Signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		k.Signer, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		err = fmt.Errorf("there are no signing keys with the algorithm %q", alg)
	}
	return k, err
}

// Public returns the key that verifies what k signs.
func (k *PrivateKey) Public() PublicKey {
	return PublicKey{ID: k.ID, Alg: k.Alg, Key: k.Signer.Public()}
}

// JWK returns the private key as a JWK. Never publish it.
func (k *PrivateKey) JWK() ([]byte, error) { return marshalKey(k.ID, k.Alg, k.Signer) }

// JWK returns the public key as a JWK.
func (k PublicKey) JWK() ([]byte, error) { return marshalKey(k.ID, k.Alg, k.Key) }

func marshalKey(id, alg string, raw any) ([]byte, error) {
	key, err := jwk.FromRaw(raw)
	if err != nil {
		return nil, err
	}
	for field, value := range map[string]any{
		jwk.KeyIDKey: id, jwk.AlgorithmKey: jwa.SignatureAlgorithm(alg), jwk.KeyUsageKey: jwk.ForSignature,
	} {
		if err := key.Set(field, value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(key)
}

// ParsePrivateKey reads what [PrivateKey.JWK] wrote.
func ParsePrivateKey(b []byte) (*PrivateKey, error) {
	key, raw, err := parseKey(b)
	if err != nil {
		return nil, err
	}
	signer, ok := raw.(crypto.Signer)
	k := &PrivateKey{ID: key.KeyID(), Alg: key.Algorithm().String(), Signer: signer}
	if !ok || !fits(k.Alg, signer.Public()) {
		return nil, fmt.Errorf("not a private key with the algorithm %q", k.Alg)
	}
	return k, nil
}

// ParsePublicKey reads the JWK of a public key that names its ID and algorithm.
func ParsePublicKey(b []byte) (PublicKey, error) {
	key, raw, err := parseKey(b)
	if err != nil {
		return PublicKey{}, err
	}
	k := PublicKey{ID: key.KeyID(), Alg: key.Algorithm().String(), Key: raw}
	if k.ID == "" || !fits(k.Alg, raw) || key.KeyUsage() != "" && key.KeyUsage() != jwk.ForSignature.String() {
		return PublicKey{}, fmt.Errorf("not a public key that verifies signatures with the algorithm %q", k.Alg)
	}
	return k, nil
}

func parseKey(b []byte) (jwk.Key, any, error) {
	key, err := jwk.ParseKey(b)
	if err != nil {
		return nil, nil, err
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		return nil, nil, err
	}
	return key, raw, nil
}

// fits reports whether a public key is of the kind that an algorithm needs.
func fits(alg string, public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		_, err := k.ECDH() // a point of the curve
		return alg == ES256 && k.Curve == elliptic.P256() && err == nil
	case ed25519.PublicKey:
		return alg == EdDSA
	case *rsa.PublicKey:
		return alg == RS256 && k.N.BitLen() >= rsaBits
	}
	return false
}

// ParseSet reads a JWK set. Keys that it cannot use are ignored (RFC 7517, section 5), so a set may
// come out empty. An error means that b is not a JWK set.
func ParseSet(b []byte) ([]PublicKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("not a JWK set: it has no member %q", "keys")
	}
	var out []PublicKey
	for _, raw := range *set.Keys {
		if k, err := ParsePublicKey(raw); err == nil {
			out = append(out, k)
		}
	}
	return out, nil
}

// MarshalSet writes a JWK set of JWKs.
func MarshalSet(jwks ...json.RawMessage) ([]byte, error) {
	if jwks == nil {
		jwks = []json.RawMessage{}
	}
	return json.Marshal(map[string][]json.RawMessage{"keys": jwks})
}
