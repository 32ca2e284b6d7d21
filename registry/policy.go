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
	OrgPlan        Action = "org.plan" // and the org's own limits
	PlanRead       Action = "plan.read"
	PlanManage     Action = "plan.manage"
	OrgResume      Action = "org.resume"
	OrgDelete      Action = "org.delete"
	InstanceReboot Action = "instance.restart"
	InstanceLogs   Action = "instance.logs"
	MemberRead     Action = "member.read"
	MemberInvite   Action = "member.invite"
	MemberChange   Action = "member.change"
	MemberRemove   Action = "member.remove"
	OwnerManage    Action = "owner.manage" // make, change and remove owners
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
	ApprovalRead   Action = "approval.read"
	ApprovalEnd    Action = "approval.end"    // take a request back
	ApprovalRefuse Action = "approval.refuse" // admins only returns; see Store.DecideApproval
	ApprovalDecide Action = "approval.decide"
	OrgBreakGlass  Action = "org.break_glass" // for the operator alone
	UsageRead      Action = "usage.read"
	RunnerRead     Action = "runner.read"
	RunnerEnroll   Action = "runner.enroll"
	RunnerEnd      Action = "runner.end"    // one's own
	RunnerManage   Action = "runner.manage" // anybody's
	AccountManage  Action = "account.manage"
	CredentialMake Action = "credential.make" // a key, a device, a claim, a link: what lets somebody in
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
	OrgCreate:      {"", true, ScopePlatform, 0},
	OrgRead:        {RoleMember, true, ScopeOrgRead, 0},
	OrgUpdate:      {RoleAdmin, true, ScopeOrgWrite, 0},
	OrgRename:      {RoleOwner, true, ScopeOrgWrite, 0},
	OrgSuspend:     {"", true, ScopePlatform, 0},
	OrgPlan:        {"", true, ScopePlatform, 0},
	PlanRead:       {"", true, ScopePlatform, 0},
	PlanManage:     {"", true, ScopePlatform, 0},
	OrgResume:      {"", true, ScopePlatform, 0},
	OrgDelete:      {RoleOwner, true, ScopeOrgWrite, fresh},
	InstanceReboot: {RoleAdmin, true, ScopeInstanceWrite, 0},
	InstanceLogs:   {RoleAdmin, true, ScopeInstanceRead, 0},
	MemberRead:     {RoleMember, true, ScopeMemberRead, 0},
	MemberInvite:   {RoleAdmin, true, ScopeMemberWrite, 0},
	MemberChange:   {RoleAdmin, true, ScopeMemberWrite, 0},
	MemberRemove:   {RoleAdmin, true, ScopeMemberWrite, 0},
	OwnerManage:    {RoleOwner, true, "", fresh},
	AuditRead:      {RoleAdmin, true, ScopeAuditRead, 0},
	SettingsRead:   {RoleAdmin, true, ScopeSettingsRead, 0},
	SettingsWrite:  {RoleAdmin, true, ScopeSettingsWrite, 0},
	WebhookRead:    {RoleAdmin, true, ScopeWebhookRead, 0},
	WebhookManage:  {RoleAdmin, true, ScopeWebhookWrite, 0},
	KeyRead:        {RoleAdmin, true, ScopePlatform, 0},
	KeyManage:      {RoleAdmin, true, "", fresh},
	UserCreate:     {"", true, "", fresh},
	UserRead:       {"", true, ScopePlatform, 0},
	UserUpdate:     {"", true, "", fresh},
	PlatformAudit:  {"", true, ScopePlatform, 0},
	PlatformRead:   {"", true, ScopePlatform, 0},
	PlatformBackup: {"", true, "", fresh},
	SigningRead:    {"", true, ScopePlatform, 0},
	SigningRotate:  {"", true, "", fresh},
	ClientRead:     {"", true, ScopePlatform, 0},
	ClientManage:   {"", true, "", fresh},
	SignInRead:     {RoleAdmin, true, ScopePlatform, 0},
	SignInManage:   {RoleOwner, true, "", fresh},
	OrgTransfer:    {RoleOwner, false, "", fresh},
	SupportRead:    {RoleAdmin, true, ScopePlatform, 0},
	SupportRequest: {"", true, "", fresh},
	SupportDecide:  {RoleOwner, false, "", fresh},
	ApprovalRead:   {RoleMember, true, ScopeMemberRead, 0},
	ApprovalEnd:    {"", true, ScopePlatform, 0},
	ApprovalRefuse: {RoleAdmin, false, "", fresh},
	ApprovalDecide: {RoleOwner, false, "", fresh},
	OrgBreakGlass:  {"", false, "", 0},
	UsageRead:      {RoleMember, true, ScopeOrgRead, 0},
	RunnerRead:     {RoleMember, true, ScopeRunnerRead, 0},
	RunnerEnroll:   {RoleMember, true, ScopeRunnerWrite, fresh},
	RunnerEnd:      {RoleMember, true, ScopeRunnerWrite, 0},
	RunnerManage:   {RoleAdmin, true, ScopeRunnerWrite, 0},
	AccountManage:  {"", false, "", own},
	CredentialMake: {"", false, "", fresh | own | lasting},
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
	if action == OrgBreakGlass { // whoever is at the machine, and no platform admin
		return actor.kind == operator
	}
	if actor.IsSystem() || r.platform && actor.Platform() {
		return true
	}
	return (actor.kind == user || actor.kind == service) && r.role != "" && role.AtLeast(r.role)
}

// Permit decides whether actor, who has role in the org ("" = none), may do action now.
// Errors: Unauthenticated, ErrReview, PersonOnly, Forbidden, SignInAgain.
func Permit(actor Actor, role Role, action Action, now time.Time) error {
	r := policy[action]
	switch {
	case !actor.Valid():
		return Errorf(Unauthenticated, "", "sign in first")
	case actor.MustReview():
		return ErrReview()
	case actor.Key() != "" && r.scope == "":
		return errPersonOnly()
	case !Allows(actor, role, action):
		return ErrNotAllowed(actor, action)
	case r.asks&lasting != 0 && actor.lent:
		return Errorf(Forbidden, "", "an API token makes nothing that outlives it: sign in to the console or with pizzeria login")
	case r.asks&fresh != 0 && actor.InPerson():
		return MayNow(actor.Since(), now)
	}
	return nil
}

func errPersonOnly() error {
	return Errorf(PersonOnly, "", "no key may do this, whatever its scopes: sign in to the console or with pizzeria login, and do it yourself")
}

// FreshFor is how long after a sign-in a person may do what asks for a new one.
const FreshFor = 30 * time.Minute

// MayNow refuses who signed in too long ago, and has to do it again. Error: SignInAgain.
func MayNow(since, now time.Time) error {
	if now.Sub(since) <= FreshFor {
		return nil
	}
	return Errorf(SignInAgain, "", "this asks for a sign-in of the last %d minutes: sign in again, in the console or with pizzeria login", int(FreshFor.Minutes()))
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
	case action == OrgBreakGlass:
		return "the operator, on the admin socket."
	case r.platform && r.role != "":
		return roles + ", and platform admins."
	case r.platform:
		return "platform admins."
	}
	return roles + "."
}
