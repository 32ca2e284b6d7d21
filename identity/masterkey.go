package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MasterKey is the installation's one secret: 32 bytes, outside the database.
// Everything else is derived from it (HKDF-SHA-256, RFC 5869) or sealed under it.
type MasterKey struct{ raw [32]byte }

// String implements fmt.Stringer without the key.
func (*MasterKey) String() string { return "[redacted]" }

// GoString keeps %#v from printing the key.
func (*MasterKey) GoString() string { return "[redacted]" }

// ParseMasterKey reads a key from its text form: base64 (standard or URL, with
// or without padding) of 32 bytes.
func ParseMasterKey(text string) (*MasterKey, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	b, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(text))
	if err != nil || len(b) != 32 {
		return nil, errors.New("the secret key must be 32 bytes in base64, such as `openssl rand -base64 32` prints")
	}
	return &MasterKey{raw: [32]byte(b)}, nil
}

// inEnvironment is the prefix of a path that names a variable of the environment instead of a file.
const inEnvironment = "env:"

// KeyVariable returns the variable of the environment that a key is read from, "" for a file's path.
func KeyVariable(path string) string {
	name, _ := strings.CutPrefix(path, inEnvironment)
	if name == path {
		return ""
	}
	return name
}

// LoadMasterKey reads the key file at path, or with `env:NAME` the variable of the environment. Error: fs.ErrNotExist, among others.
func LoadMasterKey(path string) (*MasterKey, error) {
	var b []byte
	var err error
	if name := KeyVariable(path); name != "" {
		b = []byte(os.Getenv(name))
		if len(b) == 0 {
			return nil, fmt.Errorf("secret key: the environment variable %s is not set: give it 32 bytes in base64, such as `openssl rand -base64 32` prints: %w", name, fs.ErrNotExist)
		}
	} else if b, err = os.ReadFile(path); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	k, err := ParseMasterKey(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// CreateMasterKey makes a key file with mode 0600 at path, or reads the one that is there. A key in the environment is the operator's to make.
func CreateMasterKey(path string) (*MasterKey, error) {
	k, err := LoadMasterKey(path)
	if !errors.Is(err, fs.ErrNotExist) || KeyVariable(path) != "" {
		return k, err
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another node has just made it
		return LoadMasterKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(raw[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	return &MasterKey{raw: raw}, nil
}

// Derive returns a 32-byte key for one purpose.
func (k *MasterKey) Derive(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, k.raw[:], nil, "pizzeria/"+purpose, 32)
	if err != nil {
		panic(err) // only for impossible lengths
	}
	return [32]byte(b)
}

// Tag returns HMAC-SHA-256 of text under a key for one purpose, as base64url.
func (k *MasterKey) Tag(purpose, text string) string {
	key := k.Derive(purpose)
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Sealer returns an AEAD for one purpose: AES-256-GCM that puts a random nonce
// in front of the ciphertext.
func (k *MasterKey) Sealer(purpose string) cipher.AEAD {
	key := k.Derive(purpose)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for impossible lengths
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
