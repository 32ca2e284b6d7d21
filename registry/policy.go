package registry

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Action is something that an actor wants to do in or to an org.
type Action string

// The actions.
const (
	ActionOrgCreate        Action = "org.create"
	ActionOrgRead          Action = "org.read"
	ActionOrgUpdate        Action = "org.update"
	ActionOrgRename        Action = "org.rename"
	ActionOrgSuspend       Action = "org.suspend"
	ActionOrgPlan          Action = "org.plan" // and the org's own limits and provider
	ActionPlanRead         Action = "plan.read"
	ActionPlanManage       Action = "plan.manage"
	ActionOrgResume        Action = "org.resume"
	ActionOrgDelete        Action = "org.delete"
	ActionInstanceRestart  Action = "instance.restart"
	ActionInstanceLogs     Action = "instance.logs"
	ActionInstanceEnv      Action = "instance.environment" // what one elsewhere is to be given, with its token
	ActionMemberRead       Action = "member.read"
	ActionMemberInvite     Action = "member.invite"
	ActionMemberChange     Action = "member.change"
	ActionMemberRemove     Action = "member.remove"
	ActionOwnerManage      Action = "owner.manage" // make, change and remove owners
	ActionAuditRead        Action = "audit.read"
	ActionSettingsRead     Action = "settings.read"
	ActionSettingsWrite    Action = "settings.write"
	ActionWebhookRead      Action = "webhook.read"
	ActionWebhookManage    Action = "webhook.manage"
	ActionKeyRead          Action = "key.read"
	ActionKeyManage        Action = "key.manage"
	ActionUserCreate       Action = "user.create"
	ActionUserRead         Action = "user.read"
	ActionUserUpdate       Action = "user.update"
	ActionPlatformAudit    Action = "platform.audit"
	ActionPlatformRead     Action = "platform.read"
	ActionPlatformBackup   Action = "platform.backup"
	ActionSigningKeyRead   Action = "signing_key.read"
	ActionSigningKeyRotate Action = "signing_key.rotate"
	ActionClientRead       Action = "client.read"
	ActionClientManage     Action = "client.manage"
	ActionSignInRead       Action = "sign_in.read" // connections, domains, and what an org asks of a sign-in
	ActionSignInManage     Action = "sign_in.manage"
	ActionOrgTransfer      Action = "org.transfer"
	ActionSupportRead      Action = "support.read" // and end
	ActionSupportRequest   Action = "support.request"
	ActionSupportDecide    Action = "support.decide"
	ActionApprovalRead     Action = "approval.read"
	ActionApprovalEnd      Action = "approval.end"    // take a request back
	ActionApprovalRefuse   Action = "approval.refuse" // admins only returns; see Store.DecideApproval
	ActionApprovalDecide   Action = "approval.decide"
	ActionOrgBreakGlass    Action = "org.break_glass" // for the operator alone
	ActionUsageRead        Action = "usage.read"
	ActionRunnerRead       Action = "runner.read"
	ActionRunnerEnroll     Action = "runner.enroll"
	ActionRunnerEnd        Action = "runner.end"    // one's own
	ActionRunnerManage     Action = "runner.manage" // anybody's
	ActionAccountManage    Action = "account.manage"
	ActionCredentialMake   Action = "credential.make" // a key, a device, a claim, a link: what lets somebody in
)

// rule says who may do an action: members from a role up, platform admins, or both; which scope a
// key needs for it, if any key may; and whether a person must have signed in not long ago.
type rule struct {
	role     Role // "" = no org role suffices
	platform bool
	scope    Scope // "" = no key may
	asks     asks
}

// asks is what an action asks of people beside.
type asks uint8

const (
	fresh   asks = 1 << iota // a sign-in of the last FreshFor
	own                      // that it is their own account: whoever is signed in may
	lasting                  // more than an API token of their session: what it makes outlives that
)

// policy is the one table that decides. An action without a row is refused. No key makes, raises,
// disables, recovers or ends an identity, makes an owner, or makes what lets somebody in: a stolen
// key must not outlive its end or its revocation as something else.
var policy = map[Action]rule{
	ActionOrgCreate:        {"", true, ScopePlatform, 0},
	ActionOrgRead:          {RoleMember, true, ScopeOrgRead, 0},
	ActionOrgUpdate:        {RoleAdmin, true, ScopeOrgWrite, 0},
	ActionOrgRename:        {RoleOwner, true, ScopeOrgWrite, 0},
	ActionOrgSuspend:       {"", true, ScopePlatform, 0},
	ActionOrgPlan:          {"", true, ScopePlatform, 0},
	ActionPlanRead:         {"", true, ScopePlatform, 0},
	ActionPlanManage:       {"", true, ScopePlatform, 0},
	ActionOrgResume:        {"", true, ScopePlatform, 0},
	ActionOrgDelete:        {RoleOwner, true, ScopeOrgWrite, fresh},
	ActionInstanceRestart:  {RoleAdmin, true, ScopeInstanceWrite, 0},
	ActionInstanceLogs:     {RoleAdmin, true, ScopeInstanceRead, 0},
	ActionInstanceEnv:      {"", true, "", fresh},
	ActionMemberRead:       {RoleMember, true, ScopeMemberRead, 0},
	ActionMemberInvite:     {RoleAdmin, true, ScopeMemberWrite, 0},
	ActionMemberChange:     {RoleAdmin, true, ScopeMemberWrite, 0},
	ActionMemberRemove:     {RoleAdmin, true, ScopeMemberWrite, 0},
	ActionOwnerManage:      {RoleOwner, true, "", fresh},
	ActionAuditRead:        {RoleAdmin, true, ScopeAuditRead, 0},
	ActionSettingsRead:     {RoleAdmin, true, ScopeSettingsRead, 0},
	ActionSettingsWrite:    {RoleAdmin, true, ScopeSettingsWrite, 0},
	ActionWebhookRead:      {RoleAdmin, true, ScopeWebhookRead, 0},
	ActionWebhookManage:    {RoleAdmin, true, ScopeWebhookWrite, 0},
	ActionKeyRead:          {RoleAdmin, true, ScopePlatform, 0},
	ActionKeyManage:        {RoleAdmin, true, "", fresh},
	ActionUserCreate:       {"", true, "", fresh},
	ActionUserRead:         {"", true, ScopePlatform, 0},
	ActionUserUpdate:       {"", true, "", fresh},
	ActionPlatformAudit:    {"", true, ScopePlatform, 0},
	ActionPlatformRead:     {"", true, ScopePlatform, 0},
	ActionPlatformBackup:   {"", true, "", fresh},
	ActionSigningKeyRead:   {"", true, ScopePlatform, 0},
	ActionSigningKeyRotate: {"", true, "", fresh},
	ActionClientRead:       {"", true, ScopePlatform, 0},
	ActionClientManage:     {"", true, "", fresh},
	ActionSignInRead:       {RoleAdmin, true, ScopePlatform, 0},
	ActionSignInManage:     {RoleOwner, true, "", fresh},
	ActionOrgTransfer:      {RoleOwner, false, "", fresh},
	ActionSupportRead:      {RoleAdmin, true, ScopePlatform, 0},
	ActionSupportRequest:   {"", true, "", fresh},
	ActionSupportDecide:    {RoleOwner, false, "", fresh},
	ActionApprovalRead:     {RoleMember, true, ScopeMemberRead, 0},
	ActionApprovalEnd:      {"", true, ScopePlatform, 0},
	ActionApprovalRefuse:   {RoleAdmin, false, "", fresh},
	ActionApprovalDecide:   {RoleOwner, false, "", fresh},
	ActionOrgBreakGlass:    {"", false, "", 0},
	ActionUsageRead:        {RoleMember, true, ScopeOrgRead, 0},
	ActionRunnerRead:       {RoleMember, true, ScopeRunnerRead, 0},
	ActionRunnerEnroll:     {RoleMember, true, ScopeRunnerWrite, fresh},
	ActionRunnerEnd:        {RoleMember, true, ScopeRunnerWrite, 0},
	ActionRunnerManage:     {RoleAdmin, true, ScopeRunnerWrite, 0},
	ActionAccountManage:    {"", false, "", own},
	ActionCredentialMake:   {"", false, "", fresh | own | lasting},
}

// PolicyRow is one row of the policy table.
type PolicyRow struct {
	Action   Action `json:"action"`
	Role     Role   `json:"role,omitempty"`  // the least role in the org that may; "" = none may
	Platform bool   `json:"platform"`        // platform admins may
	Scope    Scope  `json:"scope,omitempty"` // that a key needs for it; "" = no key may
	Fresh    bool   `json:"new_sign_in"`     // a person must have signed in within FreshFor
	Own      bool   `json:"own,omitempty"`   // of one's own account: whoever is signed in may
}

// Policy is the whole table, by action.
func Policy() []PolicyRow {
	out := make([]PolicyRow, 0, len(policy))
	for a, r := range policy {
		out = append(out, PolicyRow{a, r.role, r.platform, r.scope, r.asks&fresh != 0, r.asks&own != 0})
	}
	slices.SortFunc(out, func(a, b PolicyRow) int { return strings.Compare(string(a.Action), string(b.Action)) })
	return out
}

// Allows reports whether actor, who has role in the org ("" = none), may do action, if the person
// signed in lately. Permit decides; this is for pages, which leave out what would be refused.
func Allows(actor Actor, role Role, action Action) bool {
	r, ok := policy[action]
	if !ok || !actor.Valid() || actor.MustReview() || actor.Key() != "" && r.scope == "" || !actor.Has(r.scope) {
		return false
	}
	if r.asks&own != 0 {
		return actor.InPerson()
	}
	if action == ActionOrgBreakGlass { // whoever is at the machine, and no platform admin
		return actor.kind == ActorOperator
	}
	if actor.IsSystem() || r.platform && actor.Platform() {
		return true
	}
	return (actor.kind == ActorUser || actor.kind == ActorService) && r.role != "" && role.AtLeast(r.role)
}

// Permit decides whether actor, who has role in the org ("" = none), may do action now.
// Errors: CodeUnauthenticated, ErrReview, CodePersonNeeded, CodeForbidden, CodeReauthenticationNeeded.
func Permit(actor Actor, role Role, action Action, now time.Time) error {
	r := policy[action]
	switch {
	case !actor.Valid():
		return Errorf(CodeUnauthenticated, "", "sign in first")
	case actor.MustReview():
		return ErrReview()
	case actor.Key() != "" && r.scope == "":
		return errPersonOnly()
	case !Allows(actor, role, action):
		return ErrNotAllowed(actor, action)
	case r.asks&lasting != 0 && actor.lent:
		return Errorf(CodeForbidden, "", "an API token makes nothing that outlives it: sign in to the console or with pizzeria login")
	case r.asks&fresh != 0 && actor.InPerson():
		return MayNow(actor.Since(), now)
	}
	return nil
}

func errPersonOnly() error {
	return Errorf(CodePersonNeeded, "", "no key may do this, whatever its scopes: sign in to the console or with pizzeria login, and do it yourself")
}

// FreshFor is how long after a sign-in a person may do what asks for a new one.
const FreshFor = 30 * time.Minute

// MayNow refuses who signed in too long ago, and has to do it again. Error: CodeReauthenticationNeeded.
func MayNow(since, now time.Time) error {
	if now.Sub(since) <= FreshFor {
		return nil
	}
	return Errorf(CodeReauthenticationNeeded, "", "this asks for a sign-in of the last %d minutes: sign in again, in the console or with pizzeria login", int(FreshFor.Minutes()))
}

// NeedsFresh reports whether an action asks a person for a new sign-in.
func NeedsFresh(action Action) bool { return policy[action].asks&fresh != 0 }

// InPersonOnly reports whether an action is kept for people, and the operator.
func InPersonOnly(action Action) bool {
	r, ok := policy[action]
	return ok && r.scope == ""
}

// Own reports whether an action is on one's own account.
func Own(action Action) bool { return policy[action].asks&own != 0 }

// WhoMay says in words who may do an action.
func WhoMay(action Action) string {
	r := policy[action]
	if r.asks&own != 0 {
		return "Anybody who is signed in, for themselves."
	}
	roles := map[Role]string{RoleMember: "members of the org", RoleAdmin: "admins and owners of the org", RoleOwner: "owners of the org"}[r.role]
	switch {
	case action == ActionOrgBreakGlass:
		return "the operator, on the admin socket."
	case r.platform && r.role != "":
		return roles + ", and platform admins."
	case r.platform:
		return "platform admins."
	}
	return roles + "."
}

// Authorizer decides who may.
type Authorizer interface {
	Authorize(ctx context.Context, a Actor, id OrgID, action Action) (OrgView, error)
	AuthorizePlatform(ctx context.Context, a Actor, action Action) error
}
