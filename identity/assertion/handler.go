package assertion

import (
	"context"
	"errors"
	"net/http"
)

type contextKey struct{}

// Handler passes on requests with a valid assertion only, with its claims in their context. It
// answers others with 401, or 503 while no key is known. Keep the health path outside of it.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := v.Request(r)
		if err != nil {
			status := http.StatusUnauthorized
			if errors.Is(err, ErrNoKeys) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, err.Error(), status)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, c)))
	})
}

// FromContext returns the claims of a request that [Verifier.Handler] passed on.
func FromContext(ctx context.Context) (Claims, bool) {
	c, ok := ctx.Value(contextKey{}).(Claims)
	return c, ok
}
