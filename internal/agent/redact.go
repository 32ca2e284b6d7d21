//go:build linux || darwin

package agent

import (
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strings"
)

const (
	redacted = "[redacted]"
	// minSecret is the shortest value that is redacted. Shorter ones are found in every other line,
	// and hiding those would tell what they are.
	minSecret = 4
)

// redactor finds secrets in text.
type redactor struct{ secrets [][]byte } // the longest first, as one may contain another

// newRedactor also finds the lines of a secret that has several, and the password of a URL.
func newRedactor(values []string) *redactor {
	var r redactor
	add := func(s string) {
		if len(s) >= minSecret {
			r.secrets = append(r.secrets, []byte(s))
		}
	}
	for _, v := range values {
		for line := range strings.Lines(v) {
			add(strings.TrimRight(line, "\r\n"))
		}
		if u, err := url.Parse(v); err == nil && u.User != nil {
			plain, _ := u.User.Password()
			add(plain)
			_, encoded, _ := strings.Cut(u.User.String(), ":")
			add(encoded)
		}
	}
	slices.SortFunc(r.secrets, func(a, b []byte) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), bytes.Compare(a, b))
	})
	r.secrets = slices.CompactFunc(r.secrets, bytes.Equal)
	return &r
}

// longest is the length of the longest secret.
func (r *redactor) longest() int {
	if len(r.secrets) == 0 {
		return 0
	}
	return len(r.secrets[0])
}

// next returns where the first secret in text begins and ends, with those that overlap it; -1
// without one.
func (r *redactor) next(text []byte) (from, to int) {
	from = -1
	for _, s := range r.secrets {
		if i := bytes.Index(text, s); i >= 0 && (from < 0 || i < from) {
			from, to = i, i+len(s)
		}
	}
	for i := 0; from >= 0 && i < len(r.secrets); i++ { // those that begin within it
		s := r.secrets[i]
		within := text[from+1 : min(len(text), to+len(s)-1)]
		if at := bytes.LastIndex(within, s); at >= 0 && from+1+at+len(s) > to {
			to, i = from+1+at+len(s), -1
		}
	}
	return from, to
}

// clean returns text without secrets, and how much of text that is: at most about end bytes, and
// never a part of a secret.
func (r *redactor) clean(text []byte, end int) (string, int) {
	var b strings.Builder
	at := 0
	for at < end {
		from, to := r.next(text[at:])
		if from < 0 || at+from >= end {
			break
		}
		b.Write(text[at : at+from])
		b.WriteString(redacted)
		at += to
	}
	if at < end {
		b.Write(text[at:end])
		at = end
	}
	return b.String(), at
}
