package registry

import (
	"iter"
	"regexp"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

const (
	zwnj    = '\u200c' // zero width non-joiner
	zwj     = '\u200d' // zero width joiner
	braille = '\u2800' // a symbol without a dot

	marksMax  = 8 // in a row: more of them overprint the lines around
	viramaCCC = 9 // Canonical_Combining_Class of a virama (UAX #44)
)

// variants are the scripts whose letters have forms that a variation selector chooses between.
var variants = []*unicode.RangeTable{unicode.Han, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa}

// subdivisionFlag is a flag such as Wales' (UTS #51, section C.1): "gbwls" in tags.
var subdivisionFlag = regexp.MustCompile(
	`^\x{1f3f4}[\x{e0030}-\x{e0039}\x{e0061}-\x{e007a}]{3,6}\x{e007f}$`)

// characters yields every rune of s, and whether text may show it where it stands: it is visible,
// or changes the look of its neighbors. Joiners belong to the spelling of Persian and of many Indic
// languages, and to emoji; variation selectors and tags to emoji and some letters. Anywhere else
// they hide in text, as direction overrides, fillers and floods of marks do everywhere.
func characters(s string) iter.Seq2[rune, bool] {
	return func(yield func(rune, bool) bool) {
		var before rune // 0 at the start
		marks, state := 0, -1
		for s != "" {
			var cluster string
			cluster, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
			flag := subdivisionFlag.MatchString(cluster)
			for cluster != "" {
				r, size := utf8.DecodeRuneInString(cluster)
				cluster = cluster[size:]
				marks++
				if !unicode.Is(unicode.M, r) {
					marks = 0
				}
				var ok bool
				switch {
				case r == zwnj || r == zwj:
					ok = joins(before, first(cluster, s)) || r == zwj && joinsEmoji(cluster)
				case unicode.Is(unicode.Variation_Selector, r):
					ok = varies(before, r)
				case marks > 0:
					ok = visible(r) && marks <= marksMax && visible(before) && before != ' '
				default:
					ok = flag || visible(r)
				}
				if !yield(r, ok) {
					return
				}
				before = r
			}
		}
	}
}

// visible reports whether a rune shows by itself, or as a mark on another. Spaces do.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != braille &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// joins reports whether a joiner may stand between two runes: after a virama (RFC 5892, appendix
// A), or between letters, with their marks.
func joins(before, after rune) bool {
	if norm.NFC.PropertiesString(string(before)).CCC() == viramaCCC {
		return true
	}
	return unicode.In(before, unicode.L, unicode.M) && visible(before) &&
		unicode.IsLetter(after) && visible(after)
}

// joinsEmoji reports whether a joiner holds its grapheme cluster together, whose rest is given: it
// does between two emoji alone (UAX #29, rule GB11).
func joinsEmoji(rest string) bool { return unicode.In(first(rest), unicode.So, unicode.Sm) }

// varies reports whether a variation selector has something to choose: the look of a symbol, of a
// digit on a keycap, or the form of a letter.
func varies(before, selector rune) bool {
	if selector == '\ufe0e' || selector == '\ufe0f' {
		return unicode.In(before, unicode.S, unicode.P, unicode.Nd) && visible(before)
	}
	return unicode.In(before, variants...) && unicode.IsLetter(before)
}

// first is the first rune of the texts together, 0 for none.
func first(texts ...string) rune {
	for _, s := range texts {
		if s != "" {
			r, _ := utf8.DecodeRuneInString(s)
			return r
		}
	}
	return 0
}
