package identity

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pizzaface/pizzeria/registry"
)

func TestCommonPassword(t *testing.T) {
	for _, bad := range []string{
		// Common passwords, as they are and disguised.
		"basketball", "1q2w3e4r5t", "PASSWORD12345", "p4$$w0rd99999", "2026dragon", "!!!letmein!!!", "football2026!",
		// Words and names of English.
		"university", "Elizabeth1", "W1k1ped1a!",
		// Two common words.
		"passwordmonkey", "sweetdreams", "JesusFreak99",
		// Patterns that repeat, also long ones and cut short.
		"hellohello", "lissalissa", "abcdeabcdea", strings.Repeat("пиро", 5), strings.Repeat("123456789x", 3), strings.Repeat("😀", 200),
		strings.Repeat("basketball", 20),
		// Sequences.
		"9876543210", "zyxwvutsrqp", "01234567899",
		// The user's own data.
		"Lovelace2026", "ada.lovelace", "ADA.LOVELACE@EXAMPLE.COM", "xAda.Lovelace1",
	} {
		if !commonPassword(bad, "Ada.Lovelace@example.com", "Ada Lovelace") {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, good := range []string{
		"correct horse battery", "rubber duck sings", "tr7-Wq9_mZ", "mein Fahrrad ist blau", "xK9$mQ2!vR xK9$mQ2!vR",
		"lovelace and something else", "\xff\xfe\xfd then some text",
	} {
		if commonPassword(good, "ada.lovelace@example.com", "Ada Lovelace") {
			t.Errorf("%q is refused", good)
		}
	}
}

func TestPeriod(t *testing.T) {
	for p, want := range map[string]int{"": 0, "a": 1, "aaaa": 1, "abab": 2, "ababa": 2, "abcab": 3, "abcd": 4, "aabaab": 3} {
		if got := period(p); got != want {
			t.Errorf("%q: %d, want %d", p, got, want)
		}
	}
}

// A password with what people append to please composition rules is no better.
func FuzzCheckPassword(f *testing.F) {
	for _, p := range []string{"password", "xK9$mQ2!vR", "Grüße aus Köln", "ピザが大好きです本当に", "\xff\x80", "aab", "İstanbul", "", strings.Repeat("é4@8({[<369", 20)} {
		f.Add(p, "ada@example.com", "Ada")
	}
	f.Fuzz(func(t *testing.T, password, email, name string) {
		if err := CheckPassword(password, email, name); err != nil && registry.ErrorCode(err) != registry.CodeInvalid {
			t.Fatal(err)
		}
		n := utf8.RuneCountInString(password)
		if !utf8.ValidString(password) || n < MinPassword || n > MaxPassword/2 || !commonPassword(password, "", "") {
			return
		}
		if !commonPassword(password+password, "", "") {
			t.Errorf("%q is refused, and accepted when typed twice", password)
		}
		if words := commonWords(); words.has(strings.ToLower(password)) && !commonPassword(password+"2026!", "", "") && core(password) == password {
			t.Errorf("%q is refused, and accepted with 2026! after it", password)
		}
	})
}

// BenchmarkCommonPassword checks passwords that a caller chooses to be slow.
func BenchmarkCommonPassword(b *testing.B) {
	commonWords()
	for name, p := range map[string]string{
		"leet":    strings.Repeat("4@8({[<369 1!|70$5+%2", 10)[:MaxPassword],
		"borders": strings.Repeat("a", MaxPassword/2) + "b" + strings.Repeat("a", MaxPassword/2-1),
		"bytes":   strings.Repeat("😀😁", MaxPassword/2),
		"words":   "dragonmonkeymastershadowdragonmonkeymaster",
		"random":  "xK9$mQ2!vR",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				commonPassword(p, "ada.lovelace@example.com", "Ada Lovelace")
			}
		})
	}
}
