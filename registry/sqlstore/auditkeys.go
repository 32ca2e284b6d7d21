package sqlstore

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// sealedAudit is what the keys of the audit log are sealed for.
const sealedAudit = "audit"

// auditKeys authenticate the audit log. Entries have their MACs under the key of an epoch, sealed
// under the secret key, and so keep them when that is replaced. An epoch begins with the database
// and with each new secret key. The log's end and beginning are authenticated under the secret key
// itself: who has only an older one, and with it older epochs, cannot cut the log off at them.
type auditKeys struct {
	sealer cipher.AEAD
	head   [32]byte
}

func newAuditKeys(k registry.SecretKey) auditKeys {
	return auditKeys{sealer: k.Sealer(sealedAudit), head: k.Derive("audit-head")}
}

// newEpoch returns a new sealed key.
func (k auditKeys) newEpoch(id int64) []byte {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return k.sealer.Seal(nil, nil, b[:], epochName(id))
}

func (k auditKeys) open(id int64, sealed []byte) ([]byte, error) {
	b, err := k.sealer.Open(nil, nil, sealed, epochName(id))
	if err != nil {
		return nil, fmt.Errorf("key %d of the audit log: %w", id, registry.ErrSealed)
	}
	return b, nil
}

func epochName(id int64) []byte { return strconv.AppendInt(nil, id, 10) }

// entryMAC authenticates an entry: its place, its hash, what it says, and which of its fields were
// erased.
func entryMAC(key []byte, epoch int64, prev string, e registry.AuditEntry) (string, error) {
	digest, err := registry.AuditDigest(prev, e)
	if err != nil {
		return "", err
	}
	erased := strings.Join(slices.Sorted(maps.Keys(e.Erased)), ",")
	return mac(key, "pizzeria audit entry", epoch, e.Seq, e.Hash, digest, erased), nil
}

// headMAC authenticates where the log ends and begins.
func (k auditKeys) headMAC(s auditState) string {
	return mac(k.head[:], "pizzeria audit head", s.Epoch, s.Seq, s.Hash, s.first, s.before)
}

// mac is HMAC-SHA-256 over lines, as hex. No value has a line's end in it.
func mac(key []byte, values ...any) string {
	m := hmac.New(sha256.New, key)
	for _, v := range values {
		_, _ = fmt.Fprintln(m, v) // a hash takes everything
	}
	return hex.EncodeToString(m.Sum(nil))
}

func sameMAC(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
