package wire

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
	Type      string         `json:"type" format:"uri" doc:"address of a page about the code, on this server"`
	Code      Code           `json:"code" doc:"the kind of problem, for programs: see the reference of problems"`
	Title     string         `json:"title" doc:"the kind of problem, for people"`
	Status    int            `json:"status" doc:"the answer's HTTP status"`
	Detail    string         `json:"detail" doc:"what is wrong and what to do"`
	Field     string         `json:"field,omitempty" doc:"the input that is at fault"`
	RequestID string         `json:"request_id,omitempty" doc:"identifies this request in the log"`
	Errors    []ProblemError `json:"errors,omitempty" doc:"each fault of the input, when there are several"`
}

// ProblemError is one fault of an input.
type ProblemError struct {
	Location string `json:"location,omitempty" doc:"where the fault is, such as body.name"`
	Message  string `json:"message" doc:"what is wrong there"`
}

// ProblemOf returns the problem that an error becomes. Its Type is relative; see On.
func ProblemOf(ctx context.Context, err error) *Problem {
	p := newProblem(ctx, codeOf(err))
	p.Field, p.Detail = Message(err)
	return p
}

// ProblemOfStatus returns the problem that a refusal of the HTTP library becomes.
func ProblemOfStatus(ctx context.Context, status int, detail string) *Problem {
	code, ok := statusCodes[status]
	if !ok {
		code = Unavailable
	}
	p := newProblem(ctx, code)
	p.Status, p.Detail = status, detail
	return p
}

func newProblem(ctx context.Context, c Code) *Problem {
	t, _ := TypeOf(c)
	return &Problem{
		Type: TypeURL("", c), Code: c, Title: t.Title, Status: t.Status, RequestID: RequestID(ctx),
	}
}

// On makes the Type absolute: on the control plane of an issuer.
func (p *Problem) On(issuer string) *Problem {
	p.Type = TypeURL(issuer, p.Code)
	return p
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
		if p.Code == Code(registry.CodeReauthenticationNeeded) { // RFC 9470, section 3
			challenge += fmt.Sprintf(`, error="insufficient_user_authentication", max_age=%d`, int(registry.FreshFor.Seconds()))
		}
		h.Set("WWW-Authenticate", challenge)
	}
	return h
}

// WriteProblem answers with what err becomes, or is.
func WriteProblem(w http.ResponseWriter, r *http.Request, issuer string, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = ProblemOf(r.Context(), err)
	}
	p = p.On(issuer)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// Status is the HTTP status that an error becomes.
func Status(err error) int {
	t, _ := TypeOf(codeOf(err))
	return t.Status
}

// Message is what a person is told of an error: its own words when it has any for them.
func Message(err error) (field, message string) {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Field, e.Message
	}
	return "", "The control plane cannot do that right now. Try again shortly."
}
