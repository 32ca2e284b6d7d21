package identity

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn/frequency"
)

const (
	minListed = 5   // shortest word that counts; shorter ones occur in random passwords by chance
	maxPair   = 1e8 // guesses; zxcvbn rates fewer as weak
)

// wordList holds zxcvbn's common passwords, names and English words.
type wordList struct {
	rank    map[string]int32 // 1 is the most common word of its list
	longest int              // bytes
}

// commonWords takes 3 MB, so it is built only when a password is set. The rest
// of zxcvbn is not used: it indexes its lists at every start of the program,
// and a hostile password of 200 characters keeps it busy for seconds.
var commonWords = sync.OnceValue(func() wordList {
	l := wordList{rank: map[string]int32{}}
	for _, words := range frequency.FrequencyLists {
		for i, w := range words {
			if len(w) < minListed {
				continue
			}
			if known, ok := l.rank[w]; !ok || int32(i) < known {
				l.rank[w] = int32(i) + 1
			}
			l.longest = max(l.longest, len(w))
		}
	}
	return l
})

// has reports whether p is a common word, or two of them in a row that are
// guessed in fewer than maxPair attempts.
func (l wordList) has(p string) bool {
	if len(p) > 2*l.longest {
		return false
	}
	if l.rank[p] > 0 {
		return true
	}
	for i := minListed; i <= len(p)-minListed; i++ {
		a, b := l.rank[p[:i]], l.rank[p[i:]]
		if a > 0 && b > 0 && 2*float64(a)*float64(b) < maxPair {
			return true
		}
	}
	return false
}

var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s")

// commonPassword reports whether a password is easy to guess: a common word or
// two, also surrounded by digits and signs or with letters written as digits; a
// repeated pattern; a sequence such as 1234567890; or little more than the
// user's own name or email address. It takes linear time.
func commonPassword(password, email, name string) bool {
	p, email := strings.ToLower(password), strings.ToLower(email)
	local, _, _ := strings.Cut(email, "@")
	for _, own := range append(strings.Fields(strings.ToLower(name)), local, email, "pizzeria", "pizzapi") {
		if len(own) >= 3 && len(p)-len(own) < 6 && strings.Contains(p, own) {
			return true
		}
	}
	if unit := p[:period(p)]; len(unit) <= len(p)/2 {
		// A repeated password is as good as the password.
		return utf8.RuneCountInString(unit) < MinPassword || commonPassword(unit, email, name)
	}
	if sequence(p) {
		return true
	}
	words, plain := commonWords(), leet.Replace(p)
	for _, form := range []string{p, plain, core(p), core(plain)} {
		if words.has(form) {
			return true
		}
	}
	return false
}

// core strips what people put around a word to please composition rules.
func core(p string) string { return strings.Trim(p, "0123456789!@#$%^&*()-_=+.,?/ ") }

// period returns the length in bytes of the shortest pattern that p repeats;
// the last repetition may be cut short. It is the prefix function of Knuth,
// Morris and Pratt.
func period(p string) int {
	border := make([]int, len(p)+1) // of each prefix: the longest proper prefix that is also its suffix
	for i, n := 1, 0; i < len(p); i++ {
		for n > 0 && p[i] != p[n] {
			n = border[n]
		}
		if p[i] == p[n] {
			n++
		}
		border[i+1] = n
	}
	return len(p) - border[len(p)]
}

// sequence reports whether p goes up or down by one from byte to byte, with at
// most one exception, as in 1234567890 or abcdefghij.
func sequence(p string) bool {
	breaks := 0
	for i := 1; i < len(p); i++ {
		if d := int(p[i]) - int(p[i-1]); d != 1 && d != -1 {
			breaks++
		}
	}
	return breaks <= 1
}
