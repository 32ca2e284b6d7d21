package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// kept is an answer that is given again, without what is shown once: whoever repeats a request a
// day later, in any session of the person, must not read a key or a link. It is sealed all the same.
type kept struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// once serves a POST with an Idempotency-Key at most once per caller and key,
// and answers a repetition as the first time (draft-ietf-httpapi-idempotency-key-header).
// Answers of 5xx are not kept: the request may be sent again.
func (a *API) once(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		err := a.serveOnce(w, r, key, next)
		if err != nil {
			a.logged(r, err)
			wire.WriteProblem(w, r, a.issuer(), err)
		}
	})
}

func (a *API) serveOnce(w http.ResponseWriter, r *http.Request, key string, next http.Handler) error {
	if len(key) > 100 {
		return registry.Errorf(registry.CodeInvalid, "Idempotency-Key", "use an Idempotency-Key of at most 100 characters")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+2))
	if err != nil {
		return registry.Errorf(registry.CodeInvalid, "", "the request's body could not be read")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > maxBody+1 { // refused as every body over the limit is
		next.ServeHTTP(w, r)
		return nil
	}
	actor := caller(r.Context()).Actor
	request := sha256.New()
	for _, part := range []string{r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"), string(body)} {
		sum := sha256.Sum256([]byte(part))
		request.Write(sum[:])
	}
	sealed, err := a.Store.BeginIdempotent(r.Context(), actor, key, registry.Hash(request.Sum(nil)))
	if err != nil {
		return err
	}
	if sealed != nil {
		return a.replay(w, key, sealed)
	}
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	returned := false
	defer func() { // a handler that panics leaves the key free
		if !returned {
			_ = a.Store.FinishIdempotent(r.Context(), actor, key, nil)
		}
	}()
	next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
	returned = true
	var answer []byte // none frees the key: the request may be sent again, when the server can, or after another sign-in or a while
	if rec.status < 500 && rec.status != http.StatusUnauthorized && rec.status != http.StatusTooManyRequests {
		body, err := blank(rec.body.Bytes(), rec.once)
		if err != nil {
			return err
		}
		plain, err := json.Marshal(kept{rec.status, http.Header{"Content-Type": w.Header()["Content-Type"], "Etag": w.Header()["Etag"], "Location": w.Header()["Location"]}, body})
		if err != nil {
			return err
		}
		answer = a.Identity.Seal(purposeAnswers, key, plain)
	}
	if err := a.Store.FinishIdempotent(r.Context(), actor, key, answer); err != nil { // what was asked for is done all the same
		a.Log.Error("idempotency", "error", err)
	}
	rec.send() // only now: what somebody got is what a repetition gets
	return nil
}

const purposeAnswers = "answers"

func (a *API) replay(w http.ResponseWriter, key string, sealed []byte) error {
	plain, err := a.Identity.Open(purposeAnswers, key, sealed)
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return err
	}
	for name, v := range k.Header {
		if len(v) > 0 {
			w.Header()[name] = v
		}
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(k.Status)
	_, _ = w.Write(k.Body)
	return nil
}

type recorderKey struct{}

// recorder holds the answer back.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	once   []string // members of the answer that are shown once
}

// shownOnce returns the members of an answer's body that are shown once: fields with the tag
// `shown:"once"`.
func shownOnce(out reflect.Type) (names []string) {
	body, ok := out.FieldByName("Body")
	if !ok || body.Type.Kind() != reflect.Struct {
		return nil
	}
	for i := range body.Type.NumField() {
		if f := body.Type.Field(i); f.Tag.Get("shown") == "once" {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// blank empties members of an answer.
func blank(body []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return body, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := members[name]; ok {
			members[name] = json.RawMessage(`""`)
		}
	}
	return json.Marshal(members)
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// send gives the answer to the client.
func (r *recorder) send() {
	r.ResponseWriter.WriteHeader(r.status)
	_, _ = r.ResponseWriter.Write(r.body.Bytes())
}
