package registry

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                         "plain",
		"two\nlines\r\nand\ttabs":       "two lines and tabs",
		"\x1b[31mred\x1b[0m \x00\u202e": "[31mred [0m",
		"caf\u00e9 \xff":                "café \ufffd",
		strings.Repeat("é", 20):         strings.Repeat("é", 13) + "…",
	} {
		if got := CleanLine(in, 30); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCleanLines(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\n\n":                             "a\nb",
		"\x1b]0;title\x07x\ny\x7f":               " ]0;title x\ny",
		"first line\n" + strings.Repeat("é", 15): strings.Repeat("é", 15),
	} {
		if got := CleanLines(in, 30); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31m\tb\nc\u009bd": "a [31m b c d",
		"a  b\u202ec\u200bd":     "a  b c d",
		"می\u200cخواهم":          "می\u200cخواهم",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
