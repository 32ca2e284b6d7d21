package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"
)

const auditSalt = 16 // bytes

// personal are the fields that an entry holds by a commitment, by their names in JSON.
func (e *AuditEntry) personal() []struct {
	Name  string
	Value *string
} {
	return []struct {
		Name  string
		Value *string
	}{{"actor", &e.Actor}, {"address", &e.Address}, {"target", &e.Target}, {"detail", &e.Detail}}
}

// Salt gives every personal field that has a value a salt of its own.
func (e *AuditEntry) Salt() {
	e.Salts = map[string]string{}
	for _, f := range e.personal() {
		if *f.Value != "" {
			var b [auditSalt]byte
			_, _ = rand.Read(b[:]) // never fails (crypto/rand)
			e.Salts[f.Name] = base64.RawURLEncoding.EncodeToString(b[:])
		}
	}
}

// Erase removes a personal field's value and salt and leaves its commitment. It reports whether
// there was a value.
func (e *AuditEntry) Erase(name string) (bool, error) {
	for _, f := range e.personal() {
		if f.Name != name || *f.Value == "" {
			continue
		}
		c, err := commit(e.Salts[name], name, *f.Value)
		if err != nil {
			return false, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		e.Salts, e.Erased = maps.Clone(e.Salts), maps.Clone(e.Erased) // copies of e share them
		if e.Erased == nil {
			e.Erased = map[string]string{}
		}
		*f.Value, e.Erased[name] = "", c
		delete(e.Salts, name)
		return true, nil
	}
	return false, nil
}

// commit is SHA-256 over the salt's bytes, the field's name, a zero byte and the value, as hex.
func commit(salt, name, value string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(salt)
	if err != nil || len(b) != auditSalt {
		return "", fmt.Errorf("%s has no salt", name)
	}
	sum := sha256.Sum256(append(b, name+"\x00"+value...))
	return hex.EncodeToString(sum[:]), nil
}

// AuditDigest is hex SHA-256 over what an entry says, with commitments for its personal fields, and
// the hash of the entry before. It is the hash of an AuditCommitted entry. What it is over are
// lines, each ended by "\n": "pizzeria audit entry", the format, prev, seq, at (RFC 3339, UTC),
// actor_kind, actor_id, action, org_id, subject_id, and the commitments to actor, address, target
// and detail, empty where there is no value.
func AuditDigest(prev string, e AuditEntry) (string, error) {
	lines := []string{
		"pizzeria audit entry", fmt.Sprint(e.Format), prev, fmt.Sprint(e.Seq),
		e.At.UTC().Format(time.RFC3339Nano), string(e.ActorKind), string(e.ActorID), string(e.Action),
		string(e.OrgID), string(e.SubjectID),
	}
	for _, f := range e.personal() {
		c, erased := e.Erased[f.Name]
		switch _, salted := e.Salts[f.Name]; {
		case erased && (salted || *f.Value != "" || c == ""):
			return "", fmt.Errorf("%s is both there and erased", f.Name)
		case !erased && *f.Value == "" && salted:
			return "", fmt.Errorf("%s is missing", f.Name)
		case !erased && *f.Value != "":
			var err error
			if c, err = commit(e.Salts[f.Name], f.Name, *f.Value); err != nil {
				return "", err
			}
		}
		lines = append(lines, c)
	}
	for _, l := range lines {
		if strings.Contains(l, "\n") { // or two entries could have the same lines
			return "", fmt.Errorf("a field has more than one line")
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n") + "\n"))
	return hex.EncodeToString(sum[:]), nil
}

// AuditHash is the hash of an entry that follows one with the hash prev. known is false for an
// AuditPlain entry with erased fields: nobody can compute its hash any more.
func AuditHash(prev string, e AuditEntry) (hash string, known bool, err error) {
	switch {
	case e.Format == AuditCommitted:
		hash, err = AuditDigest(prev, e)
		return hash, err == nil, err
	case e.Format > AuditCommitted:
		return "", false, fmt.Errorf("format %d needs a newer version of the program", e.Format)
	case len(e.Erased) > 0:
		return "", false, nil
	}
	b, err := e.plain(prev)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err == nil, err
}

// AuditChain checks entries one after the other. Without a start it takes from the first entry what
// came before it.
type AuditChain struct {
	AuditReport
	begun bool
}

// NewAuditChain begins with an entry's number and the hash before it.
func NewAuditChain(first int64, before string) *AuditChain {
	return &AuditChain{
		AuditReport: AuditReport{First: first, Before: before}, begun: true,
	}
}

// Prev is the hash that the next entry follows.
func (c *AuditChain) Prev() string {
	if c.Head.Seq == 0 {
		return c.Before
	}
	return c.Head.Hash
}

// Next checks the next entry. Error: CodeConflict, which names it.
func (c *AuditChain) Next(e AuditEntry) error {
	want := c.Head.Seq + 1
	if c.Head.Seq == 0 {
		if !c.begun {
			c.First, c.Before = e.Seq, e.Prev
		}
		want = c.First
	}
	if e.Seq != want {
		return Errorf(
			CodeConflict,
			"",
			"the audit log has entry %d in the place of entry %d",
			e.Seq,
			want,
		)
	}
	hash, known, err := AuditHash(c.Prev(), e)
	switch {
	case err != nil:
		return errAuditChanged(e.Seq, err)
	case c.Head.Seq == 0 && !c.begun && c.Before == "" && e.Seq > 1:
		known = false // an export that starts in the middle does not say what came before
	}
	if known && hash != e.Hash || e.Prev != "" && e.Prev != c.Prev() {
		return Errorf(CodeConflict, "", "the audit log was changed at or before entry %d", e.Seq).Because(ReasonAuditLogChanged)
	}
	if !known {
		c.Unchecked++
	}
	if len(e.Erased) > 0 {
		c.Erased++
	}
	c.begun, c.Head = true, AuditHead{Seq: e.Seq, Hash: e.Hash}
	return nil
}

func errAuditChanged(seq int64, err error) error {
	return Errorf(CodeConflict, "", "the audit log was changed at or before entry %d: %s", seq, err).Because(ReasonAuditLogChanged)
}
