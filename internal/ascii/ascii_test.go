package ascii

import (
	"slices"
	"strings"
	"testing"
)

// TestOnlyASCII: what strings would fold or trim, and a browser would not, stays as it is.
func TestOnlyASCII(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"WebSocket", "websocket", true}, {"", "", true}, {"a", "b", false}, {"a", "ab", false},
		{"websoc\u212aet", "websocket", false}, {"ba\u017fic", "basic", false}, {"@", "`", false}, {"[", "{", false},
	} {
		if got := EqualFold(c.a, c.b); got != c.want {
			t.Errorf("EqualFold(%q, %q) is %v", c.a, c.b, got)
		}
	}
	if got := Lower("A\u212aZ\u0130@["); got != "a\u212az\u0130@[" {
		t.Errorf("Lower: %q", got)
	}
	if got := Upper("a\u017fz\u0131`{"); got != "A\u017fZ\u0131`{" {
		t.Errorf("Upper: %q", got)
	}
	for _, space := range []string{"\u2000", "\u00a0", "\u0085", "\u3000", "\v", "\f", "\r", "\n"} {
		if got := Trim(" \t" + space + "x" + space + "\t "); got != space+"x"+space {
			t.Errorf("Trim: %q", got)
		}
		if got := Words(" openid  a" + space + "b "); !slices.Equal(got, []string{"openid", "a" + space + "b"}) {
			t.Errorf("Words: %q", got)
		}
	}
}

func FuzzEqualFold(f *testing.F) {
	f.Add("Host", "hOST")
	f.Add("\u212a", "k")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := EqualFold(a, b)
		if got != (Lower(a) == Lower(b)) || got != (Upper(a) == Upper(b)) || got && !strings.EqualFold(a, b) {
			t.Fatalf("%q and %q: %v", a, b, got)
		}
	})
}
