package registry

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	nameRunes = 80
	nameBytes = 8 * nameRunes // before normalization, which takes time
)

// CleanName returns a display name in NFC, without spaces around it and with plain ones inside, and
// a CodeInvalid error on field "name" when it is not 1 to 80 printable characters. It is the one
// predicate for every name that people give to something.
func CleanName(name string) (string, error) {
	if len(name) > nameBytes || !utf8.ValidString(name) {
		return "", errNameLength()
	}
	name = strings.TrimSpace(strings.Map(plainSpace, norm.NFC.String(name)))
	if n := utf8.RuneCountInString(name); n < 1 || n > nameRunes {
		return "", errNameLength()
	}
	for r, ok := range characters(name) {
		if !ok {
			return "", Errorf(CodeInvalid, "name", "use printable characters only in a name: %U is not one here", r)
		}
	}
	return name, nil
}

const reasonRunes = 500

// CleanReason returns what somebody gives as a reason, of at most 500 characters in one or more
// lines, as CleanName does with names. Error: CodeInvalid on field "reason".
func CleanReason(reason string) (string, error) {
	if len(reason) > 8*reasonRunes || !utf8.ValidString(reason) {
		return "", errReasonLength()
	}
	reason = norm.NFC.String(strings.ReplaceAll(reason, "\r\n", "\n"))
	reason = strings.TrimSpace(strings.Map(plainSpace, reason))
	if utf8.RuneCountInString(reason) > reasonRunes {
		return "", errReasonLength()
	}
	for r, ok := range characters(reason) {
		if !ok && r != '\n' && r != '\t' {
			return "", Errorf(CodeInvalid, "reason", "use printable characters only: %U is not one here", r)
		}
	}
	return reason, nil
}

func errReasonLength() error {
	return Errorf(CodeInvalid, "reason", "use at most %d characters", reasonRunes)
}

func errNameLength() error {
	return Errorf(CodeInvalid, "name", "use a name of 1 to %d characters", nameRunes)
}

// plainSpace maps the spaces of Unicode, such as the ideographic one between the parts of a
// Japanese name, to the one that everything shows alike.
func plainSpace(r rune) rune {
	if unicode.Is(unicode.Zs, r) {
		return ' '
	}
	return r
}
