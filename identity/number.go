package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"

	"github.com/pizzaface/pizzeria/registry"
)

// Numbers that count for the whole platform, of changes and of audit entries, would tell an org's
// people how much others do. They see IDs instead, which only this installation can read, each for
// its org and purpose. The same number has the same ID, until the secret key is replaced.

// Purposes of hidden numbers and cursors.
const (
	NumberEvent = "event"
	NumberAudit = "audit"
)

const purposeCursor = "cursor"

// numberCipher permutes 128-bit blocks. A number is 64 bits of one; the others are zero, so that a
// made-up ID is one with a chance of 2^-64 (encode, then encipher).
func (s *Service) numberCipher(purpose string, org registry.OrgID) cipher.Block {
	key := s.master.Derive("number/" + purpose + "/" + string(org))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for impossible lengths
	}
	return block
}

// HideNumber returns the ID that an org's people see in place of a number.
func (s *Service) HideNumber(purpose string, org registry.OrgID, n int64) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[8:], uint64(n)) //nolint:gosec // never negative
	s.numberCipher(purpose, org).Encrypt(b[:], b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ShowNumber undoes HideNumber. It reports false for what is not such an ID.
func (s *Service) ShowNumber(purpose string, org registry.OrgID, id string) (int64, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(b) != aes.BlockSize {
		return 0, false
	}
	s.numberCipher(purpose, org).Decrypt(b, b)
	n := int64(binary.BigEndian.Uint64(b[8:])) //nolint:gosec // judged below
	return n, binary.BigEndian.Uint64(b) == 0 && n >= 0
}

// HideCursor seals a list's cursor for an org's people; "" stays.
func (s *Service) HideCursor(org registry.OrgID, cursor string) string {
	if cursor == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(purposeCursor, string(org), []byte(cursor)))
}

// ShowCursor undoes HideCursor. Error: CodeInvalid.
func (s *Service) ShowCursor(org registry.OrgID, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		b, err = s.Open(purposeCursor, string(org), b)
	}
	if err != nil {
		return "", registry.Errorf(registry.CodeInvalid, "cursor", "the cursor is not one of this list: begin again without it")
	}
	return string(b), nil
}
