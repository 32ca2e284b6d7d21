package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestLogOnTerminal: what an instance printed does not steer the terminal of who reads it.
func TestLogOnTerminal(t *testing.T) {
	long := strings.Repeat("x", 3*logChunk) + "\n"
	for log, want := range map[string]string{
		"one\ntwo\r\nthree":          "one\ntwo\nthree",
		"a\tb é 漢\n":                 "a\tb é 漢\n",
		"\x1b[31mred\x1b[0m plain\n": "\x1b[31mred\x1b[0m plain\x1b[0m\n",
		"\x1b[1;38:5:9mbold\nnext\n": "\x1b[1;38:5:9mbold\x1b[0m\nnext\n",
		"\x1b]52;c;cm0=\x07\n":       " ]52;c;cm0= \n", // the clipboard
		"\x1b[2J\x1b[1;1Hgone\n":     " [2J [1;1Hgone\n",
		"true\rfalse\n":              "true false\n",
		"\u009b2J\n":                 " 2J\n",      // CSI as one character
		"\x9b2J\n":                   "\ufffd2J\n", // and as one byte
		"a\b\x00\x7f\n":              "a   \n",
		"user \u202egnp.exe\n":       "user  gnp.exe\n",
		"\x1b\x1b[31m[2J\n":          " \x1b[31m[2J\x1b[0m\n",
		"\x1b[31":                    " [31",
		long:                         long,
		"":                           "",
	} {
		var terminal, file bytes.Buffer
		if err := copyLog(&terminal, strings.NewReader(log), true); err != nil || terminal.String() != want {
			t.Errorf("%.40q becomes %.40q, want %.40q (%v)", log, terminal.String(), want, err)
		}
		if err := copyLog(&file, strings.NewReader(log), false); err != nil || file.String() != log {
			t.Errorf("%.40q becomes %.40q in a file (%v)", log, file.String(), err)
		}
	}
}
