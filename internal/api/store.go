package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
)

// Store is what the API needs of the registry.
type Store interface {
	CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	OrgID(ctx context.Context, a registry.Actor, slug string) (registry.OrgID, error)
	OrgByFormerSlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	Authorize(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error)
	AuthorizePlatform(ctx context.Context, a registry.Actor, action registry.Action) error
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	Orgs(ctx context.Context, a registry.Actor, l registry.OrgList) (registry.Page[registry.OrgView], error)
	Plans(ctx context.Context, a registry.Actor) ([]registry.Plan, error)
	Plan(ctx context.Context, a registry.Actor, name string) (registry.Plan, error)
	CreatePlan(ctx context.Context, a registry.Actor, p registry.Plan) (registry.Plan, error)
	UpdatePlan(ctx context.Context, a registry.Actor, name, version string, c registry.PlanChange) (registry.Plan, error)
	DeletePlan(ctx context.Context, a registry.Actor, name string) error
	SetOrgPlan(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, plan string) error
	SetOrgLimits(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, c registry.LimitChanges) error
	UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error
	SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, d registry.OrgDeletion) error
	KeepOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	Events(ctx context.Context, a registry.Actor, org registry.OrgID, after int64, limit int) ([]registry.Change, error)
	EventBounds(ctx context.Context, a registry.Actor, org registry.OrgID) (oldest, head int64, err error)
	usage.HistoryStore
	Changed() <-chan struct{}

	Members(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.List) (registry.Page[registry.Member], error)
	Member(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) (registry.Member, error)
	MemberByEmail(ctx context.Context, a registry.Actor, org registry.OrgID, email string) (registry.Member, error)
	RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, r registry.MemberRemoval) ([]registry.Runner, error)
	Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error)
	RevokeInvite(ctx context.Context, a registry.Actor, org registry.OrgID, id string) error

	User(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	UserByEmail(ctx context.Context, a registry.Actor, email string) (registry.User, error)
	Users(ctx context.Context, a registry.Actor, l registry.UserList) (registry.Page[registry.User], error)
	UserOrgs(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.OrgView, error)
	VerifyUser(ctx context.Context, a registry.Actor, id registry.UserID) error
	UpdateUser(ctx context.Context, a registry.Actor, id registry.UserID, c registry.UserChange) error
	Sessions(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Session, error)
	RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error
	DisableUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDisabling) (registry.User, error)
	EnableUser(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	DeleteUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDeletion) (registry.User, error)
	RevokeSessions(ctx context.Context, a registry.Actor, id registry.UserID, but registry.SessionID) error

	Settings(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Setting, error)

	Webhooks(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Webhook, error)
	UpdateWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, change registry.WebhookChange) error
	DeleteWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error
	Deliveries(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, l registry.List) (registry.Page[registry.Delivery], error)

	APIKeys(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.APIKey, error)
	RevokeAPIKey(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.APIKeyID) error

	Connections(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Connection, error)
	DeleteConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID) error
	SetSessionLifetimes(ctx context.Context, a registry.Actor, org registry.OrgID, version string, l registry.Lifetimes) error
	RequireSecondStep(ctx context.Context, a registry.Actor, org registry.OrgID, version string, required bool) error
	Domains(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Domain, error)
	RemoveDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain string) error
	Identities(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Identity, error)
	RemoveIdentity(ctx context.Context, a registry.Actor, id registry.UserID, connection registry.ConnectionID) error
	Supports(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Support, error)
	DecideSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID, d registry.Decision) (registry.Support, error)
	EndSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID) error
	Approvals(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Approval, error)
	EndApproval(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID) error
	TransferOrg(ctx context.Context, a registry.Actor, org registry.OrgID, to registry.UserID) error
	Clients(ctx context.Context, a registry.Actor) ([]registry.Client, error)
	Client(ctx context.Context, a registry.Actor, id registry.ClientID) (registry.Client, error)
	UpdateClient(ctx context.Context, a registry.Actor, id registry.ClientID, n registry.ClientChange) (registry.Client, error)
	DeleteClient(ctx context.Context, a registry.Actor, id registry.ClientID) error

	Runners(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.RunnerList) (registry.Page[registry.Runner], error)
	Runner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) (registry.Runner, error)
	RunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, id string) (registry.RunnerClaim, error)
	DisconnectRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error
	RevokeRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error

	Audit(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	PlatformAudit(ctx context.Context, a registry.Actor, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	AuditAfter(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList, after int64, limit int) ([]registry.AuditEntry, error)
	VerifyAudit(ctx context.Context, a registry.Actor, heads registry.AuditHeads) (registry.AuditReport, error)

	BeginIdempotent(ctx context.Context, a registry.Actor, key string, request registry.Hash) (answer []byte, err error)
	FinishIdempotent(ctx context.Context, a registry.Actor, key string, answer []byte) error
}
