package registry

import (
	"strings"
	"unicode/utf8"
)

// CleanLine makes one printable line of at most limit bytes from text that a
// program gave us: a terminal or page that shows it is not steered by it.
func CleanLine(s string, limit int) string {
	return cut(strings.Join(strings.Fields(Printable(s)), " "), limit)
}

// CleanLines is CleanLine for text of several lines. The end is kept when it is too long.
func CleanLines(s string, limit int) string {
	s = strings.TrimRight(printable(strings.ReplaceAll(s, "\r\n", "\n"), true), "\n ")
	if len(s) <= limit {
		return s
	}
	s = s[len(s)-limit:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}

// Printable replaces control characters, and invisible ones that belong to no spelling, by spaces:
// what others have typed does not move a terminal's cursor or reorder a line.
func Printable(s string) string { return printable(s, false) }

func printable(s string, lines bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for r, ok := range characters(s) {
		if !ok && (r != '\n' || !lines) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Storable replaces what not every database has a text for, NUL and what is not UTF-8, by U+FFFD.
func Storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func isStorable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:max(0, limit-len("…"))]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + "…"
}
