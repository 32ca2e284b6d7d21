package pizzapi

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
)

// secretsFile is in the data directory: a backup of one without the other could sign nobody in.
const secretsFile = "pizzapi-secrets.json" //nolint:gosec // a name

// secrets are an instance's own. They outlive its process.
type secrets struct {
	BetterAuth  string `json:"better_auth"`
	Tunnel      string `json:"tunnel"`
	Accounts    string `json:"accounts"` // passwords are derived from it
	PushPublic  string `json:"vapid_public"`
	PushPrivate string `json:"vapid_private"`
}

func openSecrets(path string) (s secrets, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // the instance's own
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s, err = newSecrets(); err == nil {
			err = writeJSON(path, s)
		}
		return s, err
	case err != nil:
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.BetterAuth) < 32 || len(s.Accounts) < 32 {
		return s, fmt.Errorf("%s is not whole: restore it together with the data directory", path)
	}
	return s, nil
}

func newSecrets() (secrets, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return secrets{}, err
	}
	return secrets{
		BetterAuth: random(), Tunnel: random(), Accounts: random(),
		PushPublic:  base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()),
		PushPrivate: base64.RawURLEncoding.EncodeToString(key.Bytes()),
	}, nil
}

// random returns 256 random bits.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (s secrets) derive(purpose, sub string) []byte {
	h := hmac.New(sha256.New, []byte(s.Accounts))
	h.Write([]byte(purpose + "\x00" + sub))
	return h.Sum(nil)
}

// password is a person's at PizzaPi. It has upper and lower case and digits, as PizzaPi asks for.
func (s secrets) password(sub string) string {
	return "Aa1-" + base64.RawURLEncoding.EncodeToString(s.derive("password", sub))
}

// address is what PizzaPi takes for a person's. Its limits count IPv6 by /64, so those bits differ.
func (s secrets) address(sub string) string {
	var a [16]byte
	copy(a[:8], s.derive("address", sub))
	a[0], a[15] = 0xfd, 1 // unique local: nobody on the Internet has it
	return netip.AddrFrom16(a).String()
}

// writeJSON replaces a file as a whole, so that it survives a crash.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
