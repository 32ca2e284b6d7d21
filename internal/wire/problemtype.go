package wire

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// Code names a kind of problem for programs. It is one of a registry.Code, a registry.Reason, and
// the codes below, and never changes its meaning.
type Code string

// The codes of what is refused or fails before the registry is asked.
const (
	AmbiguousPath     Code = "ambiguous_path"
	ContentTooLarge   Code = "content_too_large"
	InstanceAway      Code = "instance_unreachable"
	InstanceSlow      Code = "instance_timeout"
	Internal          Code = "internal_error"
	Malformed         Code = "malformed_request"
	MethodNotAllowed  Code = "method_not_allowed"
	Misdirected       Code = "misdirected_request"
	NotAMember        Code = "not_a_member"
	NotAcceptable     Code = "not_acceptable"
	OrgDeleted        Code = "org_deleted"
	OrgFailed         Code = "org_failed"
	OrgAddressMoved   Code = "org_moved"
	OrgStarting       Code = "org_starting"
	OrgSuspended      Code = "org_suspended"
	Reconnect         Code = "connection_ended"
	RequestTimeout    Code = "request_timeout"
	RoleTooLow        Code = "role_too_low"
	SignInFailed      Code = "sign_in_failed"
	Unavailable       Code = "unavailable"
	UnsupportedFormat Code = "unsupported_media_type"
)

// ProblemType is what a Code means.
type ProblemType struct {
	Code    Code   `json:"code"`
	Status  int    `json:"status"` // of HTTP
	Title   string `json:"title"`
	Meaning string `json:"meaning"` // and what to do
}

// ProblemTypes are all types, by code.
func ProblemTypes() []ProblemType {
	list := slices.Clone(problemTypes)
	slices.SortFunc(list, func(a, b ProblemType) int { return strings.Compare(string(a.Code), string(b.Code)) })
	return list
}

// TypeOf is what a code means.
func TypeOf(c Code) (ProblemType, bool) {
	i := slices.IndexFunc(problemTypes, func(t ProblemType) bool { return t.Code == c })
	if i < 0 {
		return ProblemType{}, false
	}
	return problemTypes[i], true
}

// TypeURL is the address of a code's page on the control plane.
func TypeURL(issuer string, c Code) string { return issuer + "/problems/" + string(c) }

// codeOf is the code of an error. What nobody expected is Unavailable.
func codeOf(err error) Code {
	var e *registry.Error
	if !errors.As(err, &e) {
		return Unavailable
	}
	c := Code(cmp.Or(string(e.Reason), string(e.Code)))
	if _, known := TypeOf(c); !known {
		return Unavailable
	}
	return c
}

var problemTypes = []ProblemType{
	{Code(registry.CodeInvalid), 422, "Invalid input", "A value is missing or not allowed. `field` names it, and `errors` lists all of them."},
	{Code(registry.CodeUnauthenticated), 401, "Not signed in", "Sign in, or send an API token or key that is still valid."},
	{Code(registry.CodeReauthenticationNeeded), 401, "Recent sign-in needed", "Sign in again, then repeat the request. The challenge in `WWW-Authenticate` says how recent the sign-in must be (RFC 9470)."},
	{Code(registry.CodeForbidden), 403, "Not allowed", "Your role, or the key's, does not allow this. `detail` says who may."},
	{Code(registry.CodePersonNeeded), 403, "For people only", "No API key may do this. Sign in, and do it yourself."},
	{Code(registry.CodeNotFound), 404, "Not found", "It does not exist, or you may not see it."},
	{Code(registry.CodeConflict), 409, "Conflict", "The current state does not allow this. `detail` says why."},
	{Code(registry.CodeVersionConflict), 412, "Changed by somebody else", "The `ETag` in `If-Match` is no longer current. Read again, then repeat your change."},
	{Code(registry.CodeGone), 410, "No longer valid", "A link, code or token was used or has expired. Ask for a new one."},
	{Code(registry.CodeTooManyRequests), 429, "Too many requests", "Wait as long as `Retry-After` says, then try again."},
	{Code(registry.CodeOverloaded), 503, "Overloaded", "The server is at its limit. Wait as long as `Retry-After` says, then try again."},
	{Unavailable, 503, "Temporarily unavailable", "The control plane cannot do this right now. Wait as long as `Retry-After` says, then try again."},

	{Code(registry.ReasonAccountDisabled), 403, "Account disabled", "A platform admin disabled this account. Only a platform admin can enable it."},
	{Code(registry.ReasonAlreadyMember), 409, "Already a member", "The person is in this org. Change the role instead."},
	{Code(registry.ReasonApprovalNeeded), 403, "Approval needed", "An owner of the org has to approve this."},
	{Code(registry.ReasonAuditLogChanged), 409, "Audit log changed", "The audit log does not match its hash chain, or the heads that were saved elsewhere."},
	{Code(registry.ReasonCrossSiteRequest), 403, "Cross-site request", "The request came from a page of another site, and would have acted in your name."},
	{Code(registry.ReasonDataElsewhere), 409, "Data elsewhere", "The new provider does not have the org's data. Move it first, and then repeat this with `without_data`."},
	{Code(registry.ReasonDomainTaken), 409, "Domain taken", "Another org has verified this domain. That org has to remove it first."},
	{Code(registry.ReasonEmailTaken), 409, "Email address taken", "An account with this email address exists."},
	{Code(registry.ReasonIdempotencyKeyInUse), 409, "Idempotency key in use", "The first request with this `Idempotency-Key` has not finished. Check whether it took effect before you use a new key."},
	{Code(registry.ReasonIdempotencyKeyReused), 422, "Idempotency key reused", "This `Idempotency-Key` belongs to another request. Use a new key."},
	{Code(registry.ReasonLastOwner), 409, "Last owner", "An org needs an owner. Make somebody else an owner first."},
	{Code(registry.ReasonLastPlatformAdmin), 409, "Last platform admin", "The platform needs a platform admin. Make somebody else one first."},
	{Code(registry.ReasonLimitReached), 409, "Limit reached", "There are as many as allowed. Delete one that is not used, or ask for a higher limit."},
	{Code(registry.ReasonOrgRenamed), 404, "Org renamed", "The org has another slug now. `detail` names it; the ID stays the same."},
	{Code(registry.ReasonPlanConfigured), 409, "Plan of the Caddyfile", "The plan is defined in the Caddyfile. Change it there and reload."},
	{Code(registry.ReasonPlanInUse), 409, "Plan in use", "Orgs have this plan. Give them another one first."},
	{Code(registry.ReasonPlanTaken), 409, "Plan name taken", "A plan with this name exists. Choose another name, or change that plan."},
	{Code(registry.ReasonDNSRecordMissing), 409, "DNS record missing", "The TXT record was not found. New records can take an hour to appear."},
	{Code(registry.ReasonScopeMissing), 403, "Scope missing", "The API key lacks a scope. `detail` names it."},
	{Code(registry.ReasonSlugTaken), 409, "Slug taken", "Another org has this slug, or gave it up a short while ago. Choose another."},
	{Code(registry.ReasonWrongStatus), 409, "Wrong status", "The org's status does not allow this. `detail` names the status."},

	{Malformed, 400, "Malformed request", "The request cannot be read: its body is no valid JSON, or its target or headers are not allowed."},
	{AmbiguousPath, 400, "Ambiguous path", "Write the path without encodings, empty segments or dot segments."},
	{MethodNotAllowed, 405, "Method not allowed", "This address does not accept the method."},
	{NotAcceptable, 406, "Not acceptable", "The server has no representation that `Accept` allows. Ask for `application/json`."},
	{RequestTimeout, 408, "Request timeout", "The request's body did not arrive in time. Send it again."},
	{ContentTooLarge, 413, "Content too large", "The request's body is over the limit."},
	{UnsupportedFormat, 415, "Unsupported media type", "Send the body as `application/json`."},
	{Misdirected, 421, "Misdirected request", "The host name does not name an org here, or is not the one that TLS was set up for."},
	{Internal, 500, "Internal error", "Something broke on the server. Try again; if it stays, tell whoever runs the server the request's ID."},

	{NotAMember, 403, "Not a member", "You are signed in, but not a member of this org. Ask one of its admins to invite you."},
	{RoleTooLow, 403, "Role too low", "Your role in the org does not give access to this path."},
	{SignInFailed, 400, "Sign-in failed", "The sign-in took too long, was used already, or the browser blocked a cookie. Start it again."},
	{OrgStarting, 503, "Org is starting", "The org's instance is coming up. Wait as long as `Retry-After` says, then try again."},
	{OrgFailed, 503, "Org does not start", "The org's instance failed to come up and is being tried again. Its admins see why in the console."},
	{OrgSuspended, 403, "Org suspended", "A platform admin suspended the org. Its data is kept."},
	{OrgDeleted, 410, "Org deleted", "The org was deleted. Its owners see in the console whether it can be restored."},
	{OrgAddressMoved, 410, "Org moved", "The org has another address now. `detail` names it."},
	{InstanceAway, 502, "Instance unreachable", "The org's instance refused or broke the connection. Try again in a moment."},
	{InstanceSlow, 504, "Instance timeout", "The org's instance took too long to answer. Try again in a moment."},
	{Reconnect, 503, "Connection ended", "The gateway ended the connection. Connect again."},
}

// statusCodes are the codes of the statuses that the HTTP library answers with by itself.
var statusCodes = map[int]Code{
	400: Malformed, 404: Code(registry.CodeNotFound), 405: MethodNotAllowed, 406: NotAcceptable, 408: RequestTimeout,
	413: ContentTooLarge, 415: UnsupportedFormat, 422: Code(registry.CodeInvalid), 500: Internal,
}
