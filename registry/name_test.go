package registry

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const englandTags = "\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067"

// realNames are spelled with characters that are invisible, or that a filter is quick to refuse.
var realNames = map[string]string{
	"plain":                    "Ann O'Hara-Łukasiewicz",
	"Persian":                  "می\u200cخواهم",
	"Persian, two words":       "خانه\u200cهای نو",
	"Sinhala":                  "ශ්\u200dරී ලංකා",
	"Malayalam chillu, old":    "സുനില്\u200d",
	"Malayalam chillu, inside": "അവന്\u200dറെ",
	"Bengali":                  "র্\u200dযাব",
	"Kannada":                  "ರಾಜ್\u200cಕುಮಾರ್",
	"Hindi":                    "क्\u200dष",
	"Vietnamese":               "Nguyễn Thị Ánh",
	"Hebrew with points":       "שָׁלוֹם",
	"Thai":                     "น้ำทิพย์",
	"Tibetan":                  "བསྒྲུབས",
	"Korean":                   "김민준",
	"Japanese, variant":        "辻\U000e0100",
	"family":                   "Team 👨\u200d👩\u200d👧\u200d👦",
	"profession, skin tone":    "👩🏽\u200d💻",
	"pirates":                  "🏴\u200d☠\ufe0f",
	"heart on fire":            "❤\ufe0f\u200d🔥",
	"health worker":            "👩\u200d⚕\ufe0f",
	"head shaking":             "🙂\u200d↔\ufe0f",
	"rainbow":                  "🏳\ufe0f\u200d🌈",
	"flag":                     "🇮🇷 🇨🇭",
	"England":                  "🏴" + englandTags + "\U000e007f",
	"keycap":                   "1\ufe0f\u20e3 First",
	"exclamation":              "‼\ufe0f",
	"text style":               "☺\ufe0e",
	"80 letters":               strings.Repeat("é", 80),
}

func TestCleanNameAllows(t *testing.T) {
	for what, name := range realNames {
		if got, err := CleanName(name); err != nil || got != norm.NFC.String(name) {
			t.Errorf("%s, %+q: %+q %v", what, name, got, err)
		}
		if got := CleanLine(name, 400); got != name {
			t.Errorf("%s, %+q: the line is %+q", what, name, got)
		}
	}
}

func TestCleanNameNormalizes(t *testing.T) {
	for in, want := range map[string]string{
		"  Ann\t":                     "Ann",
		"Zoe\u0308":                   "Zoë",
		"Zoë":                         "Zoë",
		"\u1112\u1161\u11ab":          "한",
		"山田\u3000太郎":                  "山田 太郎",
		"Jean\u00a0Luc\u2009X":        "Jean Luc X",
		"\u3000Ann\u00a0":             "Ann",
		strings.Repeat("e\u0301", 80): strings.Repeat("é", 80),
	} {
		if got, err := CleanName(in); err != nil || got != want {
			t.Errorf("%+q: %+q %v, want %+q", in, got, err, want)
		}
	}
}

func TestCleanNameRefuses(t *testing.T) {
	for what, name := range map[string]string{
		"empty":                     "",
		"spaces":                    " \u3000 ",
		"81 letters":                strings.Repeat("é", 81),
		"a megabyte of marks":       "a" + strings.Repeat("\u0301", 1<<19),
		"not UTF-8":                 "a\xffb",
		"newline":                   "a\nb",
		"escape":                    "a\x1b[31mb",
		"RLO":                       "a\u202eb",
		"LRI":                       "a\u2066b\u2069",
		"RLM":                       "a\u200fb",
		"ALM":                       "ا\u061cب",
		"ZWSP":                      "a\u200bb",
		"word joiner":               "a\u2060b",
		"BOM":                       "\ufeffab",
		"soft hyphen":               "a\u00adb",
		"invisible times":           "a\u2062b",
		"CGJ":                       "a\u034fb",
		"Mongolian vowel separator": "a\u180eb",
		"Hangul filler":             "\u3164",
		"half-width Hangul filler":  "a\uffa0b",
		"choseong filler":           "a\u115fb",
		"joiner between fillers":    "\u3164\u200d\u3164",
		"Khmer inherent vowel":      "a\u17b4b",
		"braille blank":             "\u2800",
		"line separator":            "a\u2028b",
		"private use":               "a\ue000b",
		"noncharacter":              "a\ufffeb",
		"joiner first":              "\u200dab",
		"joiner last":               "ab\u200d",
		"joiner alone":              "\u200c",
		"joiners doubled":           "می\u200c\u200cخواهم",
		"joiners mixed":             "می\u200c\u200dخواهم",
		"doubled after a virama":    "ශ්\u200d\u200dරී",
		"joiner before a space":     "می\u200c خواهم",
		"joiner after a space":      "می \u200cخواهم",
		"joiner between digits":     "1\u200d2",
		"non-joiner between emoji":  "👨\u200c👩",
		"joiner after an emoji":     "👨\u200d",
		"emoji, joiner, letter":     "👨\u200da",
		"emoji, joiner, tone":       "👨\u200d🏻",
		"joiners between emoji":     "👨\u200d\u200d👩",
		"signs joined":              "=\u200d+",
		"variation of a letter":     "a\ufe0fb",
		"variation of a space":      "a \ufe0f",
		"variations doubled":        "❤\ufe0f\ufe0f",
		"variation first":           "\ufe0fa",
		"ideographic variation":     "a\U000e0100",
		"tags alone":                englandTags,
		"tags after a letter":       "a" + englandTags + "\U000e007f",
		"tags without an end":       "🏴" + englandTags,
		"end without tags":          "🏴\U000e007f",
		"too many tags":             "🏴" + englandTags + englandTags + "\U000e007f",
		"mark first":                "\u0301a",
		"mark after a space":        "a \u0301",
		"Zalgo":                     "a" + strings.Repeat("\u0316", marksMax+1),
	} {
		if got, err := CleanName(name); ErrorCode(err) != CodeInvalid {
			t.Errorf("%s, %+q: %+q %v", what, name, got, err)
		}
	}
}

func TestCleanReason(t *testing.T) {
	for in, want := range map[string]string{
		" ": "", "late\r\n\tpayment ": "late\n\tpayment", "Zoe\u0308": "Zoë",
		"می\u200cخواهم": "می\u200cخواهم", strings.Repeat("é", 500): strings.Repeat("é", 500),
	} {
		if got, err := CleanReason(in); err != nil || got != want {
			t.Errorf("%+q: %+q %v, want %+q", in, got, err, want)
		}
	}
	for _, in := range []string{"a\u202eb", "a\x1bb", "\xff", "a\rb", strings.Repeat("é", 501)} {
		if got, err := CleanReason(in); ErrorCode(err) != CodeInvalid {
			t.Errorf("%+q: %+q %v", in, got, err)
		}
	}
}

// FuzzCleanName: a clean name is clean, stays so, and never carries what steers or hides.
func FuzzCleanName(f *testing.F) {
	for _, name := range realNames {
		f.Add(name)
	}
	f.Add("a\u202eb")
	f.Add("👨\u200d\xff")
	f.Fuzz(func(t *testing.T, in string) {
		if line := CleanLine(in, 200); !utf8.ValidString(line) || len(line) > 200 {
			t.Fatalf("%+q: the line is %+q", in, line)
		}
		name, err := CleanName(in)
		if err != nil {
			return
		}
		if again, err := CleanName(name); err != nil || again != name || !norm.NFC.IsNormalString(name) {
			t.Fatalf("%+q: %+q, then %+q %v", in, name, again, err)
		}
		for _, r := range name {
			if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) || r == '\u200b' || r == '\ufeff' {
				t.Fatalf("%+q holds %U", name, r)
			}
		}
	})
}
