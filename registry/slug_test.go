package registry

import (
	"regexp"
	"strings"
	"testing"
)

// slugSyntax is what ValidSlug's documentation says, but for the third and fourth place.
var slugSyntax = regexp.MustCompile(`^[a-z][a-z0-9-]{1,38}[a-z0-9]$`)

func sameAsSyntax(t *testing.T, s string) {
	t.Helper()
	want := slugSyntax.MatchString(s) && (len(s) < 4 || s[2:4] != "--")
	if got := ValidSlug(s); got != want {
		t.Errorf("%q: %v, want %v", s, got, want)
	}
}

// TestValidSlug compares it with its syntax, over each byte at each end and inside.
func TestValidSlug(t *testing.T) {
	for _, s := range []string{
		"", "a", "ab", "abc", "a-b", "ab-", "-ab", "1ab", "a1b", "ab1", "ab--c", "abc--d", "xn--a",
		strings.Repeat("a", 40), strings.Repeat("a", 41), "ab\n", "acme\n", "äbc", "a.b",
	} {
		sameAsSyntax(t, s)
	}
	for c := range 256 {
		b := string([]byte{byte(c)})
		for _, s := range []string{b + "cme", "a" + b + "me", "ac" + b + "e", "acm" + b} {
			sameAsSyntax(t, s)
		}
	}
}

func FuzzValidSlug(f *testing.F) {
	f.Add("acme")
	f.Add("ab--c")
	f.Fuzz(sameAsSyntax)
}
