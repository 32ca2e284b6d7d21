package identity

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
)

// commonPasswordsGz holds 5 characters and longer of the common-password list of
// zxcvbn-ts (MIT licence), in lower case, sorted.
//
//go:embed common_passwords.txt.gz
var commonPasswordsGz []byte

var commonWords = sync.OnceValue(func() map[string]struct{} {
	r, err := gzip.NewReader(bytes.NewReader(commonPasswordsGz))
	if err != nil {
		panic(err) // embedded: cannot be wrong at run time
	}
	b, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	words := map[string]struct{}{}
	for w := range strings.Lines(string(b)) {
		words[strings.TrimSuffix(w, "\n")] = struct{}{}
	}
	return words
})

// commonPassword reports whether a password is in the list, also with digits
// and signs around it or letters written as digits; or is one character or a
// short pattern repeated, a run of neighbours, or little more than the user's
// own e-mail address or name.
func commonPassword(password, email, name string) bool {
	p := strings.ToLower(password)
	local, _, _ := strings.Cut(email, "@")
	for _, own := range append(strings.Fields(strings.ToLower(name)), local, email, "pizzeria", "pizzapi") {
		if len(own) >= 3 && len(p)-len(own) < 6 && strings.Contains(p, own) {
			return true
		}
	}
	if repeats(p) || runs(p) {
		return true
	}
	plain := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s").Replace(p)
	for _, form := range []string{p, plain, core(p), core(plain)} {
		if _, ok := commonWords()[form]; ok {
			return true
		}
	}
	return false
}

// core strips what people put around a word to please composition rules.
func core(p string) string { return strings.Trim(p, "0123456789!@#$%^&*()-_=+.,?/ ") }

// repeats reports whether p is a pattern of at most 5 bytes over and over.
func repeats(p string) bool {
	for n := 1; n <= 5 && n < len(p); n++ {
		if strings.Repeat(p[:n], len(p)/n+1)[:len(p)] == p {
			return true
		}
	}
	return false
}

// runs reports whether p goes up or down by one from byte to byte, as in 1234567890 or abcdefghij, but for one step.
func runs(p string) bool {
	breaks := 0
	for i := 1; i < len(p); i++ {
		if d := int(p[i]) - int(p[i-1]); d != 1 && d != -1 {
			breaks++
		}
	}
	return breaks <= 1
}
