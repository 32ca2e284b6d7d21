package registry

import "time"

// Change is one entry of the change feed. Seq has no gaps and rises in commit order.
type Change struct {
	Seq       int64      `json:"seq,omitempty"` // 0 where an org's people see it
	At        time.Time  `json:"at"`
	Kind      ChangeKind `json:"kind"`
	OrgID     OrgID      `json:"org_id,omitempty"`
	UserID    UserID     `json:"user_id,omitempty"`
	SessionID SessionID  `json:"session_id,omitempty"`
	Slug      string     `json:"slug,omitempty"` // of the org after the change; both are told on a rename
	OldSlug   string     `json:"old_slug,omitempty"`
	// Version is that of the membership, or of what the org asks of a sign-in, after this change of it.
	Version int64 `json:"version,omitempty"`
}

// ChangeKind says what changed.
type ChangeKind string

// The kinds of changes.
const (
	OrgCreated       ChangeKind = "org.created"
	OrgUpdated       ChangeKind = "org.updated"
	OrgRenamed       ChangeKind = "org.renamed"
	OrgActivated     ChangeKind = "org.activated"
	OrgSuspendedNow  ChangeKind = "org.suspended"
	OrgResumed       ChangeKind = "org.resumed"
	OrgDeletion      ChangeKind = "org.deleting"
	OrgKept          ChangeKind = "org.kept"
	OrgGone          ChangeKind = "org.deleted"
	OrgPlanChanged   ChangeKind = "org.plan_changed"
	OrgLimitsChanged ChangeKind = "org.limits_changed"
	OrgQuotaWarned   ChangeKind = "org.quota_warning"
	PlanCreated      ChangeKind = "plan.created"
	PlanUpdated      ChangeKind = "plan.updated"
	PlanDeleted      ChangeKind = "plan.deleted"
	InstanceChanged  ChangeKind = "instance.changed"
	MemberAdded      ChangeKind = "member.added"
	MemberChanged    ChangeKind = "member.changed"
	MemberRemoved    ChangeKind = "member.removed"
	MemberRoleKept   ChangeKind = "member.role_kept" // for their provider delivered none
	InviteCreated    ChangeKind = "invite.created"
	InviteRevoked    ChangeKind = "invite.revoked"
	UserCreated      ChangeKind = "user.created"
	UserChanged      ChangeKind = "user.changed"
	SessionCreated   ChangeKind = "session.created"
	SessionRevoked   ChangeKind = "session.revoked"
	KeyAdded         ChangeKind = "key.added"
	KeyRotated       ChangeKind = "key.rotated"
	KeyRevoked       ChangeKind = "key.revoked"
	SettingsChanged  ChangeKind = "settings.changed"
	WebhookCreated   ChangeKind = "webhook.created"
	WebhookChanged   ChangeKind = "webhook.changed"
	WebhookDeleted   ChangeKind = "webhook.deleted"
	APIKeyCreated    ChangeKind = "api_key.created"
	APIKeyRevoked    ChangeKind = "api_key.revoked"
	APIKeyRefused    ChangeKind = "api_key.refused" // it asked for what is kept for people
	RunnerInvited    ChangeKind = "runner.invited"
	RunnerEnrolled   ChangeKind = "runner.enrolled"
	RunnerCut        ChangeKind = "runner.disconnected"
	RunnerRevoked    ChangeKind = "runner.revoked"
	ClientCreated    ChangeKind = "client.created"
	ClientChanged    ChangeKind = "client.changed"
	ClientDeleted    ChangeKind = "client.deleted"
	ClientSignedIn   ChangeKind = "client.signed_in"
	GrantRevoked     ChangeKind = "grant.revoked"
	OrgSignIn        ChangeKind = "org.sign_in" // what an org asks of a sign-in changed
	ConnectionMade   ChangeKind = "connection.created"
	ConnectionNew    ChangeKind = "connection.changed"
	ConnectionGone   ChangeKind = "connection.deleted"
	DomainAdded      ChangeKind = "domain.added"
	DomainVerified   ChangeKind = "domain.verified"
	DomainRemoved    ChangeKind = "domain.removed"
	DomainMissed     ChangeKind = "domain.record_missing" // of a verified domain
	DomainLapsed     ChangeKind = "domain.lapsed"         // it was missing too often
	IdentityLinked   ChangeKind = "identity.linked"
	IdentityGone     ChangeKind = "identity.removed"
	SupportAsked     ChangeKind = "support.requested"
	SupportGiven     ChangeKind = "support.approved"
	SupportRefused   ChangeKind = "support.denied"
	SupportUsed      ChangeKind = "support.entered"
	SupportDone      ChangeKind = "support.ended"
	AuditPruned      ChangeKind = "audit.pruned"
	AuditKeyed       ChangeKind = "audit.keyed"        // entries from before there were keys got theirs
	AuditErased      ChangeKind = "audit.erased"       // the personal fields of an account
	AuditBroken      ChangeKind = "audit.broken"       // the log was not as the server had left it
	SignInLimited    ChangeKind = "sign_in.limited"    // too many tries on an account, from wherever
	SecondStepFailed ChangeKind = "second_step.failed" // SecondMailAt wrong codes in a row
	SecondStepLocked ChangeKind = "second_step.locked" // SecondLockAt of them
	UserRecovered    ChangeKind = "user.recovered"     // a new password by a link
	UserReviewed     ChangeKind = "user.reviewed"      // and what the account keeps
	UserVerified     ChangeKind = "user.verified"      // its address
	UserDisabled     ChangeKind = "user.disabled"
	UserEnabled      ChangeKind = "user.enabled"
	UserDeleted      ChangeKind = "user.deleted"
	ApprovalAsked    ChangeKind = "approval.requested"
	ApprovalGiven    ChangeKind = "approval.approved"
	ApprovalDenied   ChangeKind = "approval.refused"
	ApprovalOver     ChangeKind = "approval.ended"       // taken back, expired, or without its ground
	ApprovalInEffect ChangeKind = "approval.effective"   // without an owner
	MemberHeld       ChangeKind = "member.held"          // until it is known that it is them
	MemberReturned   ChangeKind = "member.returned"      // from that
	PasswordLinkMade ChangeKind = "member.password_link" // by a platform admin, for a member
)

// AuditActions lists what the audit log can say, by name.
func AuditActions() []ChangeKind {
	return []ChangeKind{
		APIKeyCreated, APIKeyRefused, APIKeyRevoked, ApprovalGiven, ApprovalInEffect, ApprovalOver, ApprovalDenied, ApprovalAsked, AuditBroken, AuditErased, AuditKeyed, AuditPruned, ClientChanged, ClientCreated, ClientDeleted, ClientSignedIn, ConnectionNew, ConnectionMade, ConnectionGone,
		DomainAdded, DomainLapsed, DomainMissed, DomainRemoved, DomainVerified, GrantRevoked, IdentityLinked, IdentityGone, InstanceChanged, InviteCreated, InviteRevoked, KeyAdded, KeyRevoked, KeyRotated, MemberAdded, MemberChanged, MemberHeld, PasswordLinkMade, MemberRemoved, MemberReturned, MemberRoleKept,
		OrgActivated, OrgCreated, OrgGone, OrgDeletion, OrgKept, OrgLimitsChanged, OrgPlanChanged, OrgQuotaWarned, OrgRenamed, OrgResumed, OrgSignIn, OrgSuspendedNow, OrgUpdated,
		PlanCreated, PlanDeleted, PlanUpdated,
		RunnerCut, RunnerEnrolled, RunnerInvited, RunnerRevoked, SecondStepFailed, SecondStepLocked, SessionCreated, SessionRevoked, SettingsChanged, SignInLimited, SupportGiven, SupportRefused, SupportDone, SupportUsed, SupportAsked, UserChanged, UserCreated, UserDeleted, UserDisabled, UserEnabled, UserRecovered, UserReviewed, UserVerified, WebhookChanged, WebhookCreated, WebhookDeleted,
	}
}

// EveryRoute reports whether the routes of many orgs may be others after the change.
func (c *Change) EveryRoute() bool {
	return c.Kind == PlanCreated || c.Kind == PlanUpdated || c.Kind == PlanDeleted
}

// Quarantine is how long a slug rests after its org gave it up.
const Quarantine = 30 * 24 * time.Hour

// RestingMax is how many former slugs of one org rest at most: another rename has to wait, or to take
// one of them back.
const RestingMax = 3

// RenameRedirect is how long the old address of a renamed org leads to the new one, before the slug's quarantine.
const RenameRedirect = 14 * 24 * time.Hour
