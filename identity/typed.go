package identity

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// maxTypedCode is how many bytes of a typed code are read: the longest has 19 characters.
const maxTypedCode = 200

// typedPassword is the form of a password that is hashed: the same text has many encodings, and
// which one a keyboard sends is up to the system that it is on (NIST SP 800-63B, section 3.1.1.2).
func typedPassword(s string) string { return norm.NFKC.String(s) }

// typedCode reads a code as people write it: with the digits and the width of their keyboard, in
// groups, in small letters, and with the invisible characters that copying brings along.
func typedCode(s string) string {
	s = norm.NFKC.String(s[:min(len(s), maxTypedCode)])
	return ascii.Upper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) {
			return -1
		}
		return asciiDigit(r)
	}, s))
}

// asciiDigit maps a decimal digit of any script to its ASCII form. The digits of a script follow
// one another, from zero (Unicode, section 4.6).
func asciiDigit(r rune) rune {
	for _, set := range unicode.Nd.R16 {
		if lo, hi := rune(set.Lo), rune(set.Hi); lo <= r && r <= hi {
			return '0' + (r-lo)%10
		}
	}
	for _, set := range unicode.Nd.R32 {
		if lo, hi := rune(set.Lo), rune(set.Hi); lo <= r && r <= hi { //nolint:gosec // code points
			return '0' + (r-lo)%10
		}
	}
	return r
}
