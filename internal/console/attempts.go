package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	// attemptCookie begins the names of the cookies that keep sign-ins at providers: each of a
	// browser's tabs has one of its own.
	attemptCookie = "__Host-pizzeria-external-"
	maxAttempts   = 8
	// maxAttemptBytes holds one attempt that leads to the longest path.
	maxAttemptBytes = 20 << 10
	// attemptKept is longer than an attempt lives, so that a late one still tells where it led.
	attemptKept = 24 * time.Hour
)

// keepAttempt gives the browser another attempt. Its oldest ones end: there are at most maxAttempts,
// and their cookies stay far below what servers take of a request's header.
func keepAttempt(w http.ResponseWriter, r *http.Request, a identity.Attempt) {
	ids, sizes := attemptsOf(r)
	size := len(a.Sealed)
	for i, id := range slices.Backward(ids) {
		size += sizes[id]
		if size > maxAttemptBytes || len(ids)-i >= maxAttempts {
			for _, old := range ids[:i+1] {
				dropAttempt(w, r, old)
			}
			break
		}
	}
	setPieces(w, r, attemptCookie+a.ID, a.Sealed, attemptKept)
}

// attemptsOf returns the attempts that the browser keeps, oldest first, with their bytes.
func attemptsOf(r *http.Request) (ids []string, sizes map[string]int) {
	sizes = map[string]int{}
	for _, name := range wire.CookieNames(r, attemptCookie) {
		id, _, _ := strings.Cut(strings.TrimPrefix(name, attemptCookie), ".") // or a piece of it
		if _, known := sizes[id]; !known {
			ids = append(ids, id)
		}
		value, _ := wire.OneCookie(r, name)
		sizes[id] += len(name) + len(value)
	}
	return ids, sizes
}

// attemptOf is what the browser keeps of the attempt that a provider answers.
func attemptOf(r *http.Request, id string) string {
	if id == "" {
		return ""
	}
	return joinPieces(r, attemptCookie+id)
}

func dropAttempt(w http.ResponseWriter, r *http.Request, id string) {
	setPieces(w, r, attemptCookie+id, "", 0)
}

// late lets a form say that what it began took too long, and begin it anew: it is not the page that
// is gone.
func late(err error) error {
	if registry.ErrorCode(err) != registry.CodeGone {
		return err
	}
	field, message := wire.Message(err)
	return registry.Errorf(registry.CodeInvalid, field, "%s", message)
}
