package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/wire"
)

const (
	// maxPiece is how much of a value one cookie holds: browsers refuse one of more than 4096 bytes
	// with its name (RFC 6265bis, section 5.6).
	maxPiece = 3800
	// maxPieces holds what a sign-in at a provider keeps that leads to a path of maxReturn.
	maxPieces = 8
)

// setPieces keeps a value in the browser for a while, in as many cookies as it needs; without a
// value it ends. It takes away pieces of a longer value from before.
func setPieces(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	n := 0
	for part := range slices.Chunk([]byte(value), maxPiece) {
		setBrowserCookie(w, piece(name, n), string(part), life)
		n++
	}
	for ; n < maxPieces; n++ {
		if _, err := r.Cookie(piece(name, n)); err == nil {
			setBrowserCookie(w, piece(name, n), "", 0)
		}
	}
}

// joinPieces returns a value that setPieces keeps, "" for none.
func joinPieces(r *http.Request, name string) string {
	var b strings.Builder
	for n := range maxPieces {
		part, ok := wire.OneCookie(r, piece(name, n))
		if !ok {
			break
		}
		b.WriteString(part)
	}
	return b.String()
}

func piece(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "." + strconv.Itoa(n)
}

// setBrowserCookie keeps something sealed in the browser for a while; without a value it ends.
func setBrowserCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
