package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/registry"
)

// Problem is problem details (RFC 9457), and an error that has become an answer.
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail" doc:"what is wrong and what to do"`
	Field     string         `json:"field,omitempty" doc:"the input that is at fault"`
	RequestID string         `json:"request_id,omitempty" doc:"names this request in the log"`
	Errors    []ProblemError `json:"errors,omitempty" doc:"each fault of the input, when there are several"`

	code registry.Code
}

// ProblemError is one fault of an input.
type ProblemError struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
}

// ProblemOf returns the problem that an error becomes.
func ProblemOf(ctx context.Context, err error) *Problem {
	status := Status(err)
	field, message := Message(err)
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: message, Field: field, RequestID: RequestID(ctx), code: registry.ErrorCode(err)}
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is the answer's status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problem details.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are what the status asks for beside the body.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(5))
	case http.StatusUnauthorized:
		challenge := `Bearer realm="pizzeria"`
		if p.code == registry.SignInAgain { // RFC 9470, section 3
			challenge += fmt.Sprintf(`, error="insufficient_user_authentication", max_age=%d`, int(registry.FreshFor.Seconds()))
		}
		h.Set("WWW-Authenticate", challenge)
	}
	return h
}

// WriteProblem answers with what err becomes.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := ProblemOf(r.Context(), err)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// Status is the one place where an error becomes an HTTP status.
func Status(err error) int {
	switch registry.ErrorCode(err) {
	case registry.Invalid:
		return http.StatusUnprocessableEntity
	case registry.Unauthenticated, registry.SignInAgain:
		return http.StatusUnauthorized
	case registry.Forbidden, registry.PersonOnly:
		return http.StatusForbidden
	case registry.NotFound:
		return http.StatusNotFound
	case registry.Conflict:
		return http.StatusConflict
	case registry.Stale:
		return http.StatusPreconditionFailed
	case registry.Gone:
		return http.StatusGone
	case registry.Busy:
		return http.StatusTooManyRequests
	case registry.Full:
		return http.StatusServiceUnavailable
	}
	return http.StatusServiceUnavailable
}

// Message is what a person is told of an error: its own words when it has any for them.
func Message(err error) (field, message string) {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Field, e.Message
	}
	return "", "The control plane cannot do that right now. Try again shortly."
}
