package registry

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is. Programs read it in the API's answers.
type Code string

// The codes.
const (
	Invalid         Code = "invalid"                 // the input is wrong; Field says where
	Unauthenticated Code = "unauthenticated"         // no actor
	SignInAgain     Code = "reauthentication_needed" // the actor signed in too long ago for this
	Forbidden       Code = "forbidden"               // visible, but not allowed
	PersonOnly      Code = "person_needed"           // kept for people: no key may
	NotFound        Code = "not_found"               // absent, or not visible to the actor
	Conflict        Code = "conflict"                // a rule or another's change is in the way
	Stale           Code = "version_conflict"        // the version that was edited is no longer current
	Gone            Code = "gone"                    // used, expired, or in quarantine
	Busy            Code = "too_many_requests"       // the actor does it too often; try again later
	Full            Code = "overloaded"              // a bounded resource is full; try again later
)

// Reason narrows a Code down where a program can act on it.
type Reason string

// The reasons.
const (
	AccountDisabled   Reason = "account_disabled"
	AlreadyMember     Reason = "already_member"
	ApprovalNeeded    Reason = "approval_needed"
	AuditLogChanged   Reason = "audit_log_changed"
	CrossSite         Reason = "cross_site_request"
	DomainTaken       Reason = "domain_taken"
	EmailTaken        Reason = "email_taken"
	KeyInUse          Reason = "idempotency_key_in_use"
	KeyReused         Reason = "idempotency_key_reused"
	LastOwner         Reason = "last_owner"
	LastPlatformAdmin Reason = "last_platform_admin"
	LimitReached      Reason = "limit_reached"
	OrgMoved          Reason = "org_renamed"
	PlanConfigured    Reason = "plan_configured"
	PlanInUse         Reason = "plan_in_use"
	PlanTaken         Reason = "plan_taken"
	RecordMissing     Reason = "dns_record_missing"
	ScopeMissing      Reason = "scope_missing"
	SlugTaken         Reason = "slug_taken"
	WrongStatus       Reason = "wrong_status"
)

// Error is a failure that a user can act on. Message says what is wrong and
// what to do; it never holds a secret.
type Error struct {
	Code    Code
	Reason  Reason // "" = the code says it all
	Field   string // the input's name in snake_case, when one is at fault
	Message string
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error. The format must not need wrapping: an Error is a leaf.
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Because says why, for programs.
func (e *Error) Because(r Reason) *Error {
	e.Reason = r
	return e
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
