package registry

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is; the API maps each to one HTTP status.
type Code string

// The codes.
const (
	Invalid         Code = "invalid"         // the input is wrong; Field says where
	Unauthenticated Code = "unauthenticated" // no actor
	SignInAgain     Code = "sign_in_again"   // the actor signed in too long ago for this
	Forbidden       Code = "forbidden"       // visible, but not allowed
	PersonOnly      Code = "person_only"     // kept for people: no key may
	NotFound        Code = "not_found"       // absent, or not visible to the actor
	Conflict        Code = "conflict"        // a rule or another's change is in the way
	Stale           Code = "stale"           // the version that was edited is no longer current
	Gone            Code = "gone"            // used, expired, or in quarantine
	Busy            Code = "busy"            // the actor does it too often; try again later
	Full            Code = "full"            // a bounded resource is full; try again later
)

// Error is a failure that a user can act on. Message says what is wrong and
// what to do; it never holds a secret.
type Error struct {
	Code    Code
	Field   string // the input's name in snake_case, when one is at fault
	Message string
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error. The format must not need wrapping: an Error is a leaf.
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// ErrorCode returns the code of the Error in err's chain, or "" when there is none.
func ErrorCode(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ErrSealed says that what is sealed in a database does not open under the secret key at hand.
var ErrSealed = errors.New("give the secret key that this database was made with")
