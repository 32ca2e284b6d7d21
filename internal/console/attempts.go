package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	// attemptCookie begins the names of the cookies that keep sign-ins at providers: each of a
	// browser's tabs has one of its own.
	attemptCookie = "__Host-pizzeria-external-"
	maxAttempts   = 8
	// attemptKept is longer than an attempt lives, so that a late one still tells where it led.
	attemptKept = 24 * time.Hour
)

// keepAttempt gives the browser another attempt, and takes its oldest ones away.
func keepAttempt(w http.ResponseWriter, r *http.Request, a identity.Attempt) {
	names := web.CookieNames(r, attemptCookie)
	for _, name := range names[:max(0, len(names)-maxAttempts+1)] {
		dropAttempt(w, strings.TrimPrefix(name, attemptCookie))
	}
	setBrowserCookie(w, attemptCookie+a.ID, a.Sealed, attemptKept)
}

// attemptOf is what the browser keeps of the attempt that a provider answers.
func attemptOf(r *http.Request, id string) string {
	if id == "" {
		return ""
	}
	sealed, _ := web.OneCookie(r, attemptCookie+id)
	return sealed
}

func dropAttempt(w http.ResponseWriter, id string) { setBrowserCookie(w, attemptCookie+id, "", 0) }

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

// late lets a form say that what it began took too long, and begin it anew: it is not the page that
// is gone.
func late(err error) error {
	if registry.ErrorCode(err) != registry.Gone {
		return err
	}
	field, message := web.Message(err)
	return registry.Errorf(registry.Invalid, field, "%s", message)
}
