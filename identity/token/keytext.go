package token

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
)

// Prefixes of API keys, by which people, logs and secret scanners know them.
const (
	PrefixPersonal = "pza_"
	PrefixService  = "pzs_"
	PrefixRunner   = "pzr_"
	PrefixClaim    = "pzc_" // no key yet: it enrolls a runner, once
	PrefixClient   = "pzo_" // the secret of a registered app
	PrefixNode     = "pzn_" // the credential of a gateway
	PrefixInstance = "pzi_" // the token of an instance, for its heartbeats alone
)

const (
	keyBody  = 43 // base62 digits of 256 bits
	keyCheck = 6  // base62 digits of a CRC-32

	KeyLength = len(PrefixPersonal) + keyBody + keyCheck
)

// NewAPIKey makes a key: its prefix, 256 random bits and a checksum in base62,
// so that a mistyped or made-up one is told apart without asking the store.
func NewAPIKey(prefix string) Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return KeyOf(prefix, b)
}

// KeyOf is the key of 256 bits that were made elsewhere.
func KeyOf(prefix string, bits [32]byte) Secret {
	key := prefix + base62(new(big.Int).SetBytes(bits[:]), keyBody)
	return Secret(key + checksum(key))
}

func base62(n *big.Int, digits int) string {
	s := n.Text(62)
	return strings.Repeat("0", digits-len(s)) + s
}

func checksum(key string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(key)))
	return base62(new(big.Int).SetBytes(b[:]), keyCheck)
}

var prefixes = []string{
	PrefixPersonal, PrefixService, PrefixRunner, PrefixClaim, PrefixClient, PrefixNode,
	PrefixInstance,
}

// IsKey reports whether a bearer looks like a key or claim of ours: it has the prefix of one.
func IsKey(bearer string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(bearer, p) })
}

// HoldsKey reports whether a whole key or claim of ours is anywhere in a text.
func HoldsKey(text string) bool {
	for _, prefix := range prefixes {
		for rest := text; ; {
			i := strings.Index(rest, prefix)
			if i < 0 {
				break
			}
			rest = rest[i:]
			if WholeKey(rest[:min(len(rest), KeyLength)], prefix) {
				return true
			}
			rest = rest[len(prefix):]
		}
	}
	return false
}

// IsAPIKey reports whether a bearer looks like a key of the management API.
func IsAPIKey(bearer string) bool {
	return strings.HasPrefix(bearer, PrefixPersonal) || strings.HasPrefix(bearer, PrefixService)
}

// IsPersonalKey reports whether a bearer looks like a person's own key.
func IsPersonalKey(bearer string) bool { return strings.HasPrefix(bearer, PrefixPersonal) }

// WholeKey reports whether a key is written as one of its kind and its checksum fits.
func WholeKey(key, prefix string) bool {
	return strings.HasPrefix(key, prefix) && len(key) == KeyLength && checksum(key[:KeyLength-keyCheck]) == key[KeyLength-keyCheck:]
}
