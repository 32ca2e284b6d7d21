package registry

import (
	"regexp"
	"strconv"
)

// AuditHeads are heads that were kept elsewhere: the hashes by the entry's number.
type AuditHeads map[int64][]string

var auditHead = regexp.MustCompile(`^([1-9][0-9]{0,17}):([0-9a-f]{64})$`)

// ParseAuditHead reads a head in its short form, such as 120:9f86d0... with 64 hex digits.
func ParseAuditHead(text string) (h AuditHead, ok bool) {
	m := auditHead.FindStringSubmatch(text)
	if m == nil {
		return h, false
	}
	h.Seq, _ = strconv.ParseInt(m[1], 10, 64) // 18 digits fit
	h.Hash = m[2]
	return h, true
}

// String is the head in its short form.
func (h AuditHead) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash }

// Add adds a head.
func (hs AuditHeads) Add(h AuditHead) { hs[h.Seq] = append(hs[h.Seq], h.Hash) }

// Compare returns how many of the heads are of this entry. Error: CodeConflict when one has another
// hash.
func (hs AuditHeads) Compare(seq int64, hash string) (int, error) {
	for _, h := range hs[seq] {
		if h != hash {
			return 0, Errorf(
				CodeConflict,
				"",
				"entry %d has another hash than the saved head: the audit log was rewritten at or before it",
				seq,
			)
		}
	}
	return len(hs[seq]), nil
}

// Finish decides what a log, whose entries were all compared, says of the rest. Error: CodeConflict when
// a head is beyond its end, or when every head is older than its beginning.
func (hs AuditHeads) Finish(r AuditReport) error {
	var last int64
	for seq := range hs {
		last = max(last, seq)
	}
	switch {
	case last > r.Head.Seq:
		return Errorf(
			CodeConflict,
			"",
			"the audit log ends with entry %d and the saved head is entry %d: entries are missing, or an older backup was restored",
			r.Head.Seq,
			last,
		)
	case len(hs) > 0 && r.Compared == 0:
		return Errorf(
			CodeConflict,
			"",
			"the audit log begins with entry %d and every saved head is older: nothing was compared",
			r.First,
		)
	}
	return nil
}
