package registry

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is. Programs read it in the API's answers.
type Code string

// The codes.
const (
	CodeInvalid                Code = "invalid"                 // the input is wrong; Field says where
	CodeUnauthenticated        Code = "unauthenticated"         // no actor
	CodeReauthenticationNeeded Code = "reauthentication_needed" // the actor signed in too long ago for this
	CodeForbidden              Code = "forbidden"               // visible, but not allowed
	CodePersonNeeded           Code = "person_needed"           // kept for people: no key may
	CodeNotFound               Code = "not_found"               // absent, or not visible to the actor
	CodeConflict               Code = "conflict"                // a rule or another's change is in the way
	CodeVersionConflict        Code = "version_conflict"        // the version that was edited is no longer current
	CodeGone                   Code = "gone"                    // used, expired, or in quarantine
	CodeTooManyRequests        Code = "too_many_requests"       // the actor does it too often; try again later
	CodeOverloaded             Code = "overloaded"              // a bounded resource is full; try again later
)

// Reason narrows a Code down where a program can act on it.
type Reason string

// The reasons.
const (
	ReasonAccountDisabled      Reason = "account_disabled"
	ReasonAlreadyMember        Reason = "already_member"
	ReasonApprovalNeeded       Reason = "approval_needed"
	ReasonAuditLogChanged      Reason = "audit_log_changed"
	ReasonCrossSiteRequest     Reason = "cross_site_request"
	ReasonDataElsewhere        Reason = "data_elsewhere"
	ReasonDomainTaken          Reason = "domain_taken"
	ReasonEmailTaken           Reason = "email_taken"
	ReasonIdempotencyKeyInUse  Reason = "idempotency_key_in_use"
	ReasonIdempotencyKeyReused Reason = "idempotency_key_reused"
	ReasonLastOwner            Reason = "last_owner"
	ReasonLastPlatformAdmin    Reason = "last_platform_admin"
	ReasonLimitReached         Reason = "limit_reached"
	ReasonOrgRenamed           Reason = "org_renamed"
	ReasonPlanConfigured       Reason = "plan_configured"
	ReasonPlanInUse            Reason = "plan_in_use"
	ReasonPlanTaken            Reason = "plan_taken"
	ReasonDNSRecordMissing     Reason = "dns_record_missing"
	ReasonScopeMissing         Reason = "scope_missing"
	ReasonSlugTaken            Reason = "slug_taken"
	ReasonWrongStatus          Reason = "wrong_status"
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

// ErrSchema says that a database is of a newer version of the program.
var ErrSchema = errors.New("use the version of the program that last used this database, or a newer one")

// ErrSealed says that what is sealed in a database does not open under the secret key at hand.
var ErrSealed = errors.New("give the secret key that this database was made with")

// ErrInUse says that another control plane uses a database that one at a time may use.
var ErrInUse = errors.New("the database is in use by another control plane: stop that one first, or use another database")
