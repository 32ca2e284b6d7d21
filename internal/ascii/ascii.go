// Package ascii compares and trims what came over the wire, byte by byte.
//
// The functions of strings fold and trim Unicode: strings.EqualFold takes U+212A (the Kelvin sign)
// for "k" and U+017F for "s", and strings.TrimSpace removes U+00A0 and U+2000. HTTP, cookies, host
// names and scopes know none of that, and neither do browsers. A name that only we read as ours
// lets its sender past a rule that the browser enforces for ours.
//
// Text that people type (names, settings, passwords) is not on the wire in this sense.
package ascii

import "strings"

// Lower lowers A to Z only. It allocates only when there is something to lower.
func Lower(s string) string {
	for i := 0; i < len(s); i++ {
		if isUpper(s[i]) {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lower(b[i])
			}
			return string(b)
		}
	}
	return s
}

// Upper raises a to z only.
func Upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// EqualFold reports whether a and b are equal but for the case of A to Z.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// Trim removes optional white space, SP and HTAB, from both ends (OWS of RFC 9110, section 5.6.3;
// WSP of RFC 6265bis).
func Trim(s string) string { return strings.Trim(s, " \t") }

// Words splits a list at its spaces, which is how OAuth and OpenID Connect write lists (RFC 6749,
// section 3.3). Other white space is part of a word.
func Words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
}

// IsAlphanumeric reports whether c is a letter or a digit.
func IsAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || isUpper(c) || '0' <= c && c <= '9'
}

// IsGraphic reports whether c is a visible character: neither a space nor a control, and ASCII.
func IsGraphic(c byte) bool { return '!' <= c && c <= '~' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func lower(c byte) byte {
	if isUpper(c) {
		return c + 'a' - 'A'
	}
	return c
}
