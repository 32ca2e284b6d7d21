package registry

import (
	"context"
	"time"
)

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
	ChangeOrgCreated          ChangeKind = "org.created"
	ChangeOrgUpdated          ChangeKind = "org.updated"
	ChangeOrgRenamed          ChangeKind = "org.renamed"
	ChangeOrgActivated        ChangeKind = "org.activated"
	ChangeOrgSuspended        ChangeKind = "org.suspended"
	ChangeOrgResumed          ChangeKind = "org.resumed"
	ChangeOrgDeleting         ChangeKind = "org.deleting"
	ChangeOrgKept             ChangeKind = "org.kept"
	ChangeOrgDeleted          ChangeKind = "org.deleted"
	ChangeOrgPlanChanged      ChangeKind = "org.plan_changed"
	ChangeOrgLimitsChanged    ChangeKind = "org.limits_changed"
	ChangeOrgProviderChanged  ChangeKind = "org.provider_changed"
	ChangeOrgQuotaWarning     ChangeKind = "org.quota_warning"
	ChangePlanCreated         ChangeKind = "plan.created"
	ChangePlanUpdated         ChangeKind = "plan.updated"
	ChangePlanDeleted         ChangeKind = "plan.deleted"
	ChangeInstanceChanged     ChangeKind = "instance.changed"
	ChangeInstanceToken       ChangeKind = "instance.token_shown" // with the rest of its environment
	ChangeMemberAdded         ChangeKind = "member.added"
	ChangeMemberChanged       ChangeKind = "member.changed"
	ChangeMemberRemoved       ChangeKind = "member.removed"
	ChangeMemberRoleKept      ChangeKind = "member.role_kept" // for their provider delivered none
	ChangeInviteCreated       ChangeKind = "invite.created"
	ChangeInviteRevoked       ChangeKind = "invite.revoked"
	ChangeUserCreated         ChangeKind = "user.created"
	ChangeUserChanged         ChangeKind = "user.changed"
	ChangeSessionCreated      ChangeKind = "session.created"
	ChangeSessionRevoked      ChangeKind = "session.revoked"
	ChangeKeyAdded            ChangeKind = "key.added"
	ChangeKeyRotated          ChangeKind = "key.rotated"
	ChangeKeyRevoked          ChangeKind = "key.revoked"
	ChangeSettingsChanged     ChangeKind = "settings.changed"
	ChangeWebhookCreated      ChangeKind = "webhook.created"
	ChangeWebhookChanged      ChangeKind = "webhook.changed"
	ChangeWebhookDeleted      ChangeKind = "webhook.deleted"
	ChangeAPIKeyCreated       ChangeKind = "api_key.created"
	ChangeAPIKeyRevoked       ChangeKind = "api_key.revoked"
	ChangeAPIKeyRefused       ChangeKind = "api_key.refused" // it asked for what is kept for people
	ChangeRunnerInvited       ChangeKind = "runner.invited"
	ChangeRunnerEnrolled      ChangeKind = "runner.enrolled"
	ChangeRunnerDisconnected  ChangeKind = "runner.disconnected"
	ChangeRunnerRevoked       ChangeKind = "runner.revoked"
	ChangeClientCreated       ChangeKind = "client.created"
	ChangeClientChanged       ChangeKind = "client.changed"
	ChangeClientDeleted       ChangeKind = "client.deleted"
	ChangeClientSignedIn      ChangeKind = "client.signed_in"
	ChangeGrantRevoked        ChangeKind = "grant.revoked"
	ChangeOrgSignIn           ChangeKind = "org.sign_in" // what an org asks of a sign-in changed
	ChangeConnectionCreated   ChangeKind = "connection.created"
	ChangeConnectionChanged   ChangeKind = "connection.changed"
	ChangeConnectionDeleted   ChangeKind = "connection.deleted"
	ChangeDomainAdded         ChangeKind = "domain.added"
	ChangeDomainVerified      ChangeKind = "domain.verified"
	ChangeDomainRemoved       ChangeKind = "domain.removed"
	ChangeDomainRecordMissing ChangeKind = "domain.record_missing" // of a verified domain
	ChangeDomainLapsed        ChangeKind = "domain.lapsed"         // it was missing too often
	ChangeIdentityLinked      ChangeKind = "identity.linked"
	ChangeIdentityRemoved     ChangeKind = "identity.removed"
	ChangeSupportRequested    ChangeKind = "support.requested"
	ChangeSupportApproved     ChangeKind = "support.approved"
	ChangeSupportDenied       ChangeKind = "support.denied"
	ChangeSupportEntered      ChangeKind = "support.entered"
	ChangeSupportEnded        ChangeKind = "support.ended"
	ChangeAuditPruned         ChangeKind = "audit.pruned"
	ChangeAuditKeyed          ChangeKind = "audit.keyed"        // entries from before there were keys got theirs
	ChangeAuditErased         ChangeKind = "audit.erased"       // the personal fields of an account
	ChangeAuditBroken         ChangeKind = "audit.broken"       // the log was not as the server had left it
	ChangeHistoryLost         ChangeKind = "store.history_lost" // the database is as it was before some changes
	ChangeSignInLimited       ChangeKind = "sign_in.limited"    // too many tries on an account, from wherever
	ChangeSecondStepFailed    ChangeKind = "second_step.failed" // SecondMailAt wrong codes in a row
	ChangeSecondStepLocked    ChangeKind = "second_step.locked" // SecondLockAt of them
	ChangeUserRecovered       ChangeKind = "user.recovered"     // a new password by a link
	ChangeUserReviewed        ChangeKind = "user.reviewed"      // and what the account keeps
	ChangeUserVerified        ChangeKind = "user.verified"      // its address
	ChangeUserDisabled        ChangeKind = "user.disabled"
	ChangeUserEnabled         ChangeKind = "user.enabled"
	ChangeUserDeleted         ChangeKind = "user.deleted"
	ChangeApprovalRequested   ChangeKind = "approval.requested"
	ChangeApprovalApproved    ChangeKind = "approval.approved"
	ChangeApprovalRefused     ChangeKind = "approval.refused"
	ChangeApprovalEnded       ChangeKind = "approval.ended"       // taken back, expired, or without its ground
	ChangeApprovalEffective   ChangeKind = "approval.effective"   // without an owner
	ChangeMemberHeld          ChangeKind = "member.held"          // until it is known that it is them
	ChangeMemberReturned      ChangeKind = "member.returned"      // from that
	ChangeMemberPasswordLink  ChangeKind = "member.password_link" // by a platform admin, for a member
)

// AuditActions lists what the audit log can say, by name.
func AuditActions() []ChangeKind {
	return []ChangeKind{
		ChangeAPIKeyCreated, ChangeAPIKeyRefused, ChangeAPIKeyRevoked, ChangeApprovalApproved, ChangeApprovalEffective, ChangeApprovalEnded, ChangeApprovalRefused, ChangeApprovalRequested, ChangeAuditBroken, ChangeAuditErased, ChangeAuditKeyed, ChangeAuditPruned, ChangeClientChanged, ChangeClientCreated, ChangeClientDeleted, ChangeClientSignedIn, ChangeConnectionChanged, ChangeConnectionCreated, ChangeConnectionDeleted,
		ChangeDomainAdded, ChangeDomainLapsed, ChangeDomainRecordMissing, ChangeDomainRemoved, ChangeDomainVerified, ChangeGrantRevoked, ChangeIdentityLinked, ChangeIdentityRemoved, ChangeInstanceChanged, ChangeInstanceToken, ChangeInviteCreated, ChangeInviteRevoked, ChangeKeyAdded, ChangeKeyRevoked, ChangeKeyRotated, ChangeMemberAdded, ChangeMemberChanged, ChangeMemberHeld, ChangeMemberPasswordLink, ChangeMemberRemoved, ChangeMemberReturned, ChangeMemberRoleKept,
		ChangeOrgActivated, ChangeOrgCreated, ChangeOrgDeleted, ChangeOrgDeleting, ChangeOrgKept, ChangeOrgLimitsChanged, ChangeOrgPlanChanged, ChangeOrgProviderChanged, ChangeOrgQuotaWarning, ChangeOrgRenamed, ChangeOrgResumed, ChangeOrgSignIn, ChangeOrgSuspended, ChangeOrgUpdated,
		ChangePlanCreated, ChangePlanDeleted, ChangePlanUpdated,
		ChangeRunnerDisconnected, ChangeRunnerEnrolled, ChangeRunnerInvited, ChangeRunnerRevoked, ChangeSecondStepFailed, ChangeSecondStepLocked, ChangeSessionCreated, ChangeSessionRevoked, ChangeSettingsChanged, ChangeSignInLimited, ChangeHistoryLost, ChangeSupportApproved, ChangeSupportDenied, ChangeSupportEnded, ChangeSupportEntered, ChangeSupportRequested, ChangeUserChanged, ChangeUserCreated, ChangeUserDeleted, ChangeUserDisabled, ChangeUserEnabled, ChangeUserRecovered, ChangeUserReviewed, ChangeUserVerified, ChangeWebhookChanged, ChangeWebhookCreated, ChangeWebhookDeleted,
	}
}

// EveryRoute reports whether the routes of many orgs may be others after the change.
func (c *Change) EveryRoute() bool {
	return c.Kind == ChangePlanCreated || c.Kind == ChangePlanUpdated || c.Kind == ChangePlanDeleted
}

// Keys reports whether the change is one of signing keys.
func (c *Change) Keys() bool {
	return c.Kind == ChangeKeyAdded || c.Kind == ChangeKeyRotated || c.Kind == ChangeKeyRevoked
}

// Quarantine is how long a slug rests after its org gave it up.
const Quarantine = 30 * 24 * time.Hour

// RestingMax is how many former slugs of one org rest at most: another rename has to wait, or to take
// one of them back.
const RestingMax = 3

// RenameRedirect is how long the old address of a renamed org leads to the new one, before the slug's quarantine.
const RenameRedirect = 14 * 24 * time.Hour

// EventReader reads the changes that an actor may see.
type EventReader interface {
	Events(ctx context.Context, a Actor, org OrgID, after int64, limit int) ([]Change, error)
	EventBounds(ctx context.Context, a Actor, org OrgID) (oldest, head int64, err error)
}

// RevocationSource reads what was revoked lately.
type RevocationSource interface {
	ChangesSince(ctx context.Context, a Actor, t time.Time) ([]Change, error)
}
