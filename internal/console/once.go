package console

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const purposeAnswers = "console/answers"

// once serves a form. Sent twice, such as by a double click, a form takes effect once, and both
// lead to the same page. A form without a nonce, or of somebody not signed in, is served as it is.
func (c *Console) once(rt Route, w http.ResponseWriter, r *http.Request, who web.Caller) error {
	s := sentOf(r.Context())
	if s == nil || rt.Public || s.nonce == "" || who.Actor.MustReview() {
		return rt.serve(c, w, r, who)
	}
	// Another content is another request: somebody went back and changed the form.
	sum := sha256.Sum256([]byte(s.nonce + "\n" + r.URL.RequestURI() + "\n" + r.PostForm.Encode()))
	key := "form " + base64.RawURLEncoding.EncodeToString(sum[:])
	sealed, err := c.reserve(r, who, key, sum)
	if err != nil {
		return err
	}
	if sealed != nil {
		to, err := c.Identity.Open(purposeAnswers, key, sealed)
		if err != nil {
			return err
		}
		http.Redirect(w, r, string(to), http.StatusSeeOther)
		return nil
	}
	rec := &redirected{ResponseWriter: w}
	var answer []byte // none frees the key: an error is not an effect
	defer func() {
		if err := c.Store.FinishIdempotent(r.Context(), who.Actor, key, answer); err != nil {
			c.Log.Error("console", "path", r.URL.Path, "error", err)
		}
	}()
	if err := rt.serve(c, rec, r, who); err != nil {
		return err
	}
	if rec.to != "" {
		answer = c.Identity.Seal(purposeAnswers, key, []byte(rec.to))
	}
	return nil
}

// await is how often a second click asks whether the first has its answer.
const await = 100 * time.Millisecond

// reserve reserves a form's key, or waits for the answer of the form that holds it: the browser
// shows the answer of the last click alone.
func (c *Console) reserve(r *http.Request, who web.Caller, key string, request [32]byte) ([]byte, error) {
	tick := time.NewTicker(await)
	defer tick.Stop()
	for range 100 {
		sealed, err := c.Store.BeginIdempotent(r.Context(), who.Actor, key, registry.Hash(request))
		if registry.ErrorCode(err) != registry.CodeConflict {
			return sealed, err
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return nil, registry.Errorf(registry.CodeConflict, "", "This form was sent twice, and the first has no answer yet. Look whether it had its effect before you send it again.")
}

// redirected remembers where an answer leads to.
type redirected struct {
	http.ResponseWriter
	to string
}

// WriteHeader implements http.ResponseWriter.
func (r *redirected) WriteHeader(status int) {
	if status == http.StatusSeeOther {
		r.to = r.Header().Get("Location")
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the writer below, for http.ResponseController.
func (r *redirected) Unwrap() http.ResponseWriter { return r.ResponseWriter }
