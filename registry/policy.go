package registry

import (
	"slices"
	"strings"
	"time"
)

// Action is something that an actor wants to do in or to an org.
type Action string

// The actions.
const (
	OrgCreate      Action = "org.create"
	OrgRead        Action = "org.read"
	OrgUpdate      Action = "org.update"
	OrgRename      Action = "org.rename"
	OrgSuspend     Action = "org.suspend"
	OrgResume      Action = "org.resume"
	OrgDelete      Action = "org.delete"
	InstanceReboot Action = "instance.restart"
	InstanceLogs   Action = "instance.logs"
	MemberRead     Action = "member.read"
	MemberInvite   Action = "member.invite"
	MemberChange   Action = "member.change"
	MemberRemove   Action = "member.remove"
	AuditRead      Action = "audit.read"
	SettingsRead   Action = "settings.read"
	SettingsWrite  Action = "settings.write"
	WebhookRead    Action = "webhook.read"
	WebhookManage  Action = "webhook.manage"
	KeyRead        Action = "key.read"
	KeyManage      Action = "key.manage"
	UserCreate     Action = "user.create"
	UserRead       Action = "user.read"
	UserUpdate     Action = "user.update"
	PlatformAudit  Action = "platform.audit"
	PlatformRead   Action = "platform.read"
	PlatformBackup Action = "platform.backup"
	SigningRead    Action = "signing_key.read"
	SigningRotate  Action = "signing_key.rotate"
	ClientRead     Action = "client.read"
	ClientManage   Action = "client.manage"
	SignInRead     Action = "sign_in.read" // connections, domains, and what an org asks of a sign-in
	SignInManage   Action = "sign_in.manage"
	OrgTransfer    Action = "org.transfer"
	SupportRead    Action = "support.read" // and end
	SupportRequest Action = "support.request"
	SupportDecide  Action = "support.decide"
	UsageRead      Action = "usage.read"
	RunnerRead     Action = "runner.read"
	RunnerEnroll   Action = "runner.enroll" // and end one's own
	RunnerManage   Action = "runner.manage" // anybody's
)

// rule says who may do an action: members from a role up, platform admins, or
// both; which scope a key needs for it; and whether a person must have signed in not long ago.
type rule struct {
	role     Role // "" = no org role suffices
	platform bool
	scope    Scope
	fresh    bool
}

// policy is the one table that decides. An action without a row is refused.
var policy = map[Action]rule{
	OrgCreate:      {"", true, ScopePlatform, false},
	OrgRead:        {RoleMember, true, ScopeOrgRead, false},
	OrgUpdate:      {RoleAdmin, true, ScopeOrgWrite, false},
	OrgRename:      {RoleOwner, true, ScopeOrgWrite, false},
	OrgSuspend:     {"", true, ScopePlatform, false},
	OrgResume:      {"", true, ScopePlatform, false},
	OrgDelete:      {RoleOwner, true, ScopeOrgWrite, true},
	InstanceReboot: {RoleAdmin, true, ScopeInstanceWrite, false},
	InstanceLogs:   {RoleAdmin, true, ScopeInstanceRead, false},
	MemberRead:     {RoleMember, true, ScopeMemberRead, false},
	MemberInvite:   {RoleAdmin, true, ScopeMemberWrite, false},
	MemberChange:   {RoleAdmin, true, ScopeMemberWrite, false},
	MemberRemove:   {RoleAdmin, true, ScopeMemberWrite, false},
	AuditRead:      {RoleAdmin, true, ScopeAuditRead, false},
	SettingsRead:   {RoleAdmin, true, ScopeSettingsRead, false},
	SettingsWrite:  {RoleAdmin, true, ScopeSettingsWrite, false},
	WebhookRead:    {RoleAdmin, true, ScopeWebhookRead, false},
	WebhookManage:  {RoleAdmin, true, ScopeWebhookWrite, false},
	KeyRead:        {RoleAdmin, true, ScopePlatform, false},
	KeyManage:      {RoleAdmin, true, ScopePlatform, true},
	UserCreate:     {"", true, ScopePlatform, false},
	UserRead:       {"", true, ScopePlatform, false},
	UserUpdate:     {"", true, ScopePlatform, true},
	PlatformAudit:  {"", true, ScopePlatform, false},
	PlatformRead:   {"", true, ScopePlatform, false},
	PlatformBackup: {"", true, ScopePlatform, true},
	SigningRead:    {"", true, ScopePlatform, false},
	SigningRotate:  {"", true, ScopePlatform, true},
	ClientRead:     {"", true, ScopePlatform, false},
	ClientManage:   {"", true, ScopePlatform, true},
	SignInRead:     {RoleAdmin, true, ScopePlatform, false},
	SignInManage:   {RoleOwner, true, ScopePlatform, true},
	OrgTransfer:    {RoleOwner, false, ScopePlatform, true},
	SupportRead:    {RoleAdmin, true, ScopePlatform, false},
	SupportRequest: {"", true, ScopePlatform, true},
	SupportDecide:  {RoleOwner, false, ScopePlatform, true},
	UsageRead:      {RoleMember, true, ScopeOrgRead, false},
	RunnerRead:     {RoleMember, true, ScopeRunnerRead, false},
	RunnerEnroll:   {RoleMember, true, ScopeRunnerWrite, false},
	RunnerManage:   {RoleAdmin, true, ScopeRunnerWrite, false},
}

// PolicyRow is one row of the policy table.
type PolicyRow struct {
	Action   Action `json:"action"`
	Role     Role   `json:"role,omitempty"` // the least role in the org that may; "" = none may
	Platform bool   `json:"platform"`       // platform admins may
	Scope    Scope  `json:"scope"`          // that a key needs for it
	Fresh    bool   `json:"new_sign_in"`    // a person must have signed in within FreshFor
}

// Policy is the whole table, by action.
func Policy() []PolicyRow {
	out := make([]PolicyRow, 0, len(policy))
	for a, r := range policy {
		out = append(out, PolicyRow{a, r.role, r.platform, r.scope, r.fresh})
	}
	slices.SortFunc(out, func(a, b PolicyRow) int { return strings.Compare(string(a.Action), string(b.Action)) })
	return out
}

// Allows reports whether actor, who has role in the org ("" = none), may do action.
func Allows(actor Actor, role Role, action Action) bool {
	r, ok := policy[action]
	if !ok || !actor.Valid() || !actor.Has(r.scope) {
		return false
	}
	if actor.IsSystem() || r.platform && actor.Platform() {
		return true
	}
	return (actor.kind == user || actor.kind == service) && r.role != "" && role.AtLeast(r.role)
}

// FreshFor is how long after a sign-in a person may do what asks for a new one.
const FreshFor = 30 * time.Minute

// MayNow refuses who signed in too long ago, and has to do it again. Error: SignInAgain.
func MayNow(since, now time.Time) error {
	if now.Sub(since) <= FreshFor {
		return nil
	}
	return Errorf(SignInAgain, "", "this asks for a sign-in of the last %d minutes: sign in again", int(FreshFor.Minutes()))
}

// NeedsFresh reports whether an action asks a person for a new sign-in.
func NeedsFresh(action Action) bool { return policy[action].fresh }

// WhoMay says in words who may do an action.
func WhoMay(action Action) string {
	r := policy[action]
	roles := map[Role]string{RoleMember: "members of the org", RoleAdmin: "admins and owners of the org", RoleOwner: "owners of the org"}[r.role]
	switch {
	case r.platform && r.role != "":
		return roles + ", and platform admins."
	case r.platform:
		return "platform admins."
	}
	return roles + "."
}
