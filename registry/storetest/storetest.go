// Package storetest is the one conformance suite that every registry backend passes.
package storetest

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is everything that a backend offers.
type Store interface {
	CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	OrgByFormerSlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	OrgID(ctx context.Context, a registry.Actor, slug string) (registry.OrgID, error)
	Orgs(ctx context.Context, a registry.Actor, l registry.OrgList) (registry.Page[registry.OrgView], error)
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	Plans(ctx context.Context, a registry.Actor) ([]registry.Plan, error)
	Plan(ctx context.Context, a registry.Actor, name string) (registry.Plan, error)
	CreatePlan(ctx context.Context, a registry.Actor, p registry.Plan) (registry.Plan, error)
	UpdatePlan(ctx context.Context, a registry.Actor, name, version string, c registry.PlanChange) (registry.Plan, error)
	DeletePlan(ctx context.Context, a registry.Actor, name string) error
	ConfigurePlans(ctx context.Context, a registry.Actor, list []registry.Plan) error
	SetOrgPlan(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, plan string) error
	SetOrgLimits(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, c registry.LimitChanges) error
	Quota(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Quota, error)
	CheckQuotas(ctx context.Context, a registry.Actor, refused registry.RefusedRequests) ([]registry.QuotaWarning, error)
	Admins(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error
	SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, d registry.OrgDeletion) error
	KeepOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	FinishDeletions(ctx context.Context, a registry.Actor) error
	Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error)
	Routes(ctx context.Context, a registry.Actor, after string, limit int) ([]*registry.Route, error)
	Members(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.List) (registry.Page[registry.Member], error)
	MemberByEmail(ctx context.Context, a registry.Actor, org registry.OrgID, email string) (registry.Member, error)
	SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error
	Member(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) (registry.Member, error)
	RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, r registry.MemberRemoval) ([]registry.Runner, error)
	CreateRunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewRunnerClaim, secret registry.Hash) (registry.RunnerClaim, error)
	EnrollRunner(ctx context.Context, a registry.Actor, claim registry.Hash, name string, key registry.Hash) (registry.Runner, error)
	Runner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) (registry.Runner, error)
	RunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, id string) (registry.RunnerClaim, error)
	Runners(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.RunnerList) (registry.Page[registry.Runner], error)
	DisconnectRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error
	RevokeRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error
	RunnerGrant(ctx context.Context, a registry.Actor, id registry.RunnerID, key *registry.Hash) (registry.Grant, error)
	TouchRunners(ctx context.Context, a registry.Actor, seen map[registry.RunnerID]registry.RunnerSeen) error
	CreateUser(ctx context.Context, a registry.Actor, n registry.NewUser) (registry.User, error)
	User(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	Users(ctx context.Context, a registry.Actor, l registry.UserList) (registry.Page[registry.User], error)
	UserOrgs(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.OrgView, error)
	UpdateUser(ctx context.Context, a registry.Actor, id registry.UserID, c registry.UserChange) error
	DisableUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDisabling) (registry.User, error)
	EnableUser(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	DeleteUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDeletion) (registry.User, error)
	DisableDormant(ctx context.Context, a registry.Actor, since time.Time) (int, error)
	CreateInvite(ctx context.Context, a registry.Actor, org registry.OrgID, email string, role registry.Role, secret registry.Hash) (registry.Link, error)
	AcceptInvite(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error)
	AcceptInviteAsNew(ctx context.Context, a registry.Actor, secret registry.Hash, name string, hash registry.PasswordHash) (registry.User, registry.Link, error)
	CreateSetupLink(ctx context.Context, a registry.Actor, secret registry.Hash) (time.Time, error)
	RedeemSetup(ctx context.Context, a registry.Actor, secret registry.Hash, n registry.NewUser) (registry.User, error)
	CreateSession(ctx context.Context, a registry.Actor, n registry.NewSession) (registry.Session, error)
	SessionByToken(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Session, registry.User, error)
	Sessions(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Session, error)
	RevokeSessions(ctx context.Context, a registry.Actor, id registry.UserID, but registry.SessionID) error
	TouchSessions(ctx context.Context, a registry.Actor, seen map[registry.SessionID]time.Time) error
	RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error
	SetPassword(ctx context.Context, a registry.Actor, hash registry.PasswordHash) error
	CreateAPIKey(ctx context.Context, a registry.Actor, n registry.NewAPIKey, hash registry.Hash) (registry.APIKey, error)
	APIKeys(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.APIKey, error)
	RevokeAPIKey(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.APIKeyID) error
	APIKeyByHash(ctx context.Context, a registry.Actor, hash registry.Hash) (registry.APIKey, registry.User, error)
	TouchAPIKeys(ctx context.Context, a registry.Actor, used map[registry.APIKeyID]registry.KeyUse) error
	SessionByID(ctx context.Context, a registry.Actor, id registry.SessionID) (registry.Session, registry.User, error)
	UserByEmail(ctx context.Context, a registry.Actor, email string) (registry.User, error)
	InsertCode(ctx context.Context, a registry.Actor, c registry.NewCode) error
	RedeemCode(ctx context.Context, a registry.Actor, m registry.CodeMatch) (registry.Grant, error)
	Factors(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Factor, error)
	AddFactor(ctx context.Context, a registry.Actor, f registry.Factor, step int64, recovery []registry.Hash) (first bool, err error)
	SetRecoveryCodes(ctx context.Context, a registry.Actor, hashes []registry.Hash) error
	RemoveFactors(ctx context.Context, a registry.Actor, id registry.UserID, factor registry.FactorID) error
	UseFactor(ctx context.Context, a registry.Actor, id registry.FactorID, step int64, sealed []byte) error
	UseRecoveryCode(ctx context.Context, a registry.Actor, id registry.UserID, code registry.Hash) (left int, err error)
	BeginSecond(ctx context.Context, a registry.Actor, id registry.UserID, b registry.Browser) (failures int, err error)
	EndSecond(ctx context.Context, a registry.Actor, id registry.UserID, failures int) error
	SecondFailed(ctx context.Context, a registry.Actor, id registry.UserID, failures int, address string) error
	SignInLimited(ctx context.Context, a registry.Actor, id registry.UserID, address string) error
	Connection(ctx context.Context, a registry.Actor, id registry.ConnectionID) (registry.Connection, error)
	Connections(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Connection, error)
	ConnectionsOfDomain(ctx context.Context, a registry.Actor, domain string) ([]registry.Connection, error)
	CreateConnection(ctx context.Context, a registry.Actor, c registry.Connection) (registry.Connection, error)
	UpdateConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID, change registry.ConnectionChange) (registry.Connection, error)
	DeleteConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID) error
	RequireSecondStep(ctx context.Context, a registry.Actor, org registry.OrgID, version string, required bool) error
	SetSessionLifetimes(ctx context.Context, a registry.Actor, org registry.OrgID, version string, l registry.Lifetimes) error
	UsedSession(ctx context.Context, a registry.Actor, id registry.SessionID, org registry.OrgID, at time.Time) error
	SetLifetimes(l registry.Lifetimes)
	Domains(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Domain, error)
	AddDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, token string) (registry.Domain, error)
	VerifyDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, value string) (registry.Domain, error)
	ClaimDomainChecks(ctx context.Context, a registry.Actor, limit int) ([]registry.Domain, error)
	ReportDomainCheck(ctx context.Context, a registry.Actor, was registry.Domain, l registry.Look) (registry.Domain, error)
	RemoveDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain string) error
	SignInExternal(ctx context.Context, a registry.Actor, x registry.ExternalSignIn) (u registry.User, linked bool, err error)
	Identities(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Identity, error)
	RemoveIdentity(ctx context.Context, a registry.Actor, id registry.UserID, connection registry.ConnectionID) error
	Supports(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Support, error)
	DecideSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID, d registry.Decision) (registry.Support, error)
	EndSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID) error
	TransferOrg(ctx context.Context, a registry.Actor, org registry.OrgID, to registry.UserID) error
	RequestSupport(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewSupport) (registry.Support, error)
	FinishSupport(ctx context.Context, a registry.Actor) error
	Approvals(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Approval, error)
	Returns(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Approval, error)
	RequestApproval(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewApproval) (registry.Approval, error)
	DecideApproval(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID, d registry.Decision, secret registry.Hash) (registry.Approval, registry.Link, error)
	EndApproval(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID) error
	BreakGlass(ctx context.Context, a registry.Actor, org registry.OrgID, email string) (registry.Approval, error)
	FinishApprovals(ctx context.Context, a registry.Actor) error
	Owners(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	Keys(ctx context.Context, a registry.Actor, purpose string) ([]registry.Key, error)
	AddKey(ctx context.Context, a registry.Actor, k registry.Key) error
	SigningKeys(ctx context.Context, a registry.Actor) ([]registry.Key, error)
	RotateKeys(ctx context.Context, a registry.Actor, keys []registry.Key, r registry.KeyRotation) error
	Link(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error)
	Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error)
	DeclineInvite(ctx context.Context, a registry.Actor, secret registry.Hash) error
	CreateAccountLink(ctx context.Context, a registry.Actor, kind registry.LinkKind, id registry.UserID, email string, secret registry.Hash) (registry.Link, error)
	ConfirmEmail(ctx context.Context, a registry.Actor, secret registry.Hash) (was, now registry.User, err error)
	StopEmailChange(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.User,
		error)
	ResetPassword(ctx context.Context, a registry.Actor, secret registry.Hash, hash registry.PasswordHash) (registry.User, error)
	RecoveryItems(ctx context.Context, a registry.Actor) ([]registry.RecoveryItem, error)
	Review(ctx context.Context, a registry.Actor, keep map[string]bool,
		recovery []registry.Hash) (factors bool, err error)
	VerifyUser(ctx context.Context, a registry.Actor, id registry.UserID) error
	QueueMail(ctx context.Context, a registry.Actor, m registry.Mail, link string) error
	DueMails(ctx context.Context, a registry.Actor, limit int) ([]registry.Mail, error)
	ReportMail(ctx context.Context, a registry.Actor, id string, next time.Time) error
	CreateClient(ctx context.Context, a registry.Actor, n registry.NewClient, secret registry.Hash) (registry.Client, error)
	Clients(ctx context.Context, a registry.Actor) ([]registry.Client, error)
	Client(ctx context.Context, a registry.Actor, id registry.ClientID) (registry.Client, error)
	UpdateClient(ctx context.Context, a registry.Actor, id registry.ClientID, n registry.ClientChange) (registry.Client, error)
	SetClientSecret(ctx context.Context, a registry.Actor, id registry.ClientID, secret registry.Hash) (registry.Client, error)
	DeleteClient(ctx context.Context, a registry.Actor, id registry.ClientID) error
	GrantByID(ctx context.Context, a registry.Actor, id registry.GrantID) (registry.Grant, error)
	GrantByRefresh(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Grant, error)
	Refresh(ctx context.Context, a registry.Actor, m registry.RefreshMatch) (registry.Grant, error)
	EndGrant(ctx context.Context, a registry.Actor, id registry.GrantID) error
	CreateDeviceRequest(ctx context.Context, a registry.Actor, d registry.DeviceRequest) error
	DeviceRequest(ctx context.Context, a registry.Actor, userCode string) (registry.DeviceRequest, error)
	DecideDevice(ctx context.Context, a registry.Actor, userCode string, d registry.Decision) error
	RedeemDevice(ctx context.Context, a registry.Actor, code registry.Hash, g registry.Grant, refresh registry.Hash) (registry.Grant, error)
	Grant(ctx context.Context, a registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error)
	Work(ctx context.Context, a registry.Actor) ([]registry.Work, error)
	WorkOn(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Work, error)
	Acquire(ctx context.Context, a registry.Actor, org registry.OrgID, ttl time.Duration) (registry.Lease, error)
	Release(ctx context.Context, a registry.Actor, l registry.Lease) error
	Report(ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string, r registry.Report) error
	ReplaceInstance(
		ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string,
		r registry.Report,
	) (registry.Instance, error)
	Changes(ctx context.Context, a registry.Actor, after int64, limit int) ([]registry.Change, error)
	Head(ctx context.Context, a registry.Actor) (int64, error)
	Audit(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	Authorize(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error)
	AuthorizePlatform(ctx context.Context, a registry.Actor, action registry.Action) error
	Events(ctx context.Context, a registry.Actor, org registry.OrgID, after int64, limit int) ([]registry.Change, error)
	EventBounds(ctx context.Context, a registry.Actor, org registry.OrgID) (oldest, head int64, err error)
	BeginIdempotent(ctx context.Context, a registry.Actor, key string, request registry.Hash) ([]byte, error)
	FinishIdempotent(ctx context.Context, a registry.Actor, key string, answer []byte) error
	PlatformAudit(ctx context.Context, a registry.Actor, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	CreateWebhook(ctx context.Context, a registry.Actor, w registry.Webhook) (registry.Webhook, error)
	Webhooks(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Webhook, error)
	UpdateWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, change registry.WebhookChange) error
	DeleteWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error
	Deliveries(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, l registry.List) (registry.Page[registry.Delivery], error)
	ReplayDelivery(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, delivery string) error
	TestWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error
	SpreadChanges(ctx context.Context, a registry.Actor) error
	DueDeliveries(ctx context.Context, a registry.Actor, busy []registry.WebhookID, limit int) ([]registry.Task, error)
	ReportDelivery(ctx context.Context, a registry.Actor, id string, status int, failure string, next time.Time) error
	Sweep(ctx context.Context, a registry.Actor) error
	KeepDraft(ctx context.Context, a registry.Actor, user registry.UserID, id registry.DraftID, sealed []byte) error
	Draft(ctx context.Context, a registry.Actor, id registry.DraftID) ([]byte, error)
	TakeDraft(ctx context.Context, a registry.Actor, id registry.DraftID) ([]byte, error)
	Settings(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Setting, error)
	SetSettings(ctx context.Context, a registry.Actor, org registry.OrgID, version string, changes map[string]*registry.SettingValue) error
	SettingValues(ctx context.Context, a registry.Actor, org registry.OrgID) (map[string]registry.SettingValue, error)
	RunningInstances(ctx context.Context, a registry.Actor) (int64, error)
	AddUsage(ctx context.Context, a registry.Actor, at time.Time, byOrg map[registry.OrgID]registry.Usage) error
	Usage(ctx context.Context, a registry.Actor, org registry.OrgID, since time.Time) ([]registry.UsagePoint, error)
	Totals(ctx context.Context, a registry.Actor) (registry.Totals, error)
	AuditAfter(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList, after int64, limit int) ([]registry.AuditEntry, error)
	PruneAudit(ctx context.Context, a registry.Actor, before time.Time) (more bool, err error)
	VerifyAudit(ctx context.Context, a registry.Actor, heads registry.AuditHeads) (registry.AuditReport, error)
	AuditHead(ctx context.Context, a registry.Actor) (registry.AuditHead, error)
	NoteAuditHead(ctx context.Context, a registry.Actor) (registry.AuditHead, bool, error)
	EraseAudit(ctx context.Context, a registry.Actor, id registry.UserID) (int, error)
}

// Clock is a time that the tests move.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{t: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var (
	ctx      = context.Background()
	system   = registry.AsSystem("test")
	operator = registry.AsOperator()
)

type env struct {
	*testing.T
	s     Store
	clock *Clock
}

// RunTests runs the suite; open makes an empty store on the given clock.
func RunTests(t *testing.T, open func(t *testing.T, now func() time.Time) Store) {
	for name, f := range map[string]func(env){
		"NobodyIsRefusedEverywhere": nobody, "SlugRules": slugs, "RenameAndQuarantine": renames, "RenameKeepsStopped": renamesStopped, "RenamesAreBounded": squatting, "DomainChecks": domainChecks, "AllRoutes": allRoutes, "StatusTable": statuses,
		"OptimisticConcurrency": versions, "Visibility": visibility, "LastOwner": lastOwner, "LastOwnerRace": lastOwnerRace,
		"SlugRace": slugRace, "FeedIsGapless": feed, "AuditChain": auditChain, "Events": events, "Usage": usage, "Webhooks": webhooks, "Settings": settings, "SeenVersions": seenVersions, "Idempotency": idempotency, "Setup": setup, "Invites": invites,
		"Sessions": sessions, "SessionLists": sessionLists, "SessionLifetimes": sessionLifetimes, "OrgLifetimes": orgLifetimes, "InvitesUnderRules": invitesUnderRules, "Pages": pages, "AuditTimes": auditTimes, "Search": searches, "Deletion": deletion, "Users": users, "DeletedAccounts": deletedAccounts, "DormantAccounts": dormantAccounts, "LastOnes": lastOnes, "DisabledAccounts": disabledAccounts, "APIKeys": apiKeys, "Runners": runners, "KeysReach": keysReach, "KeptForPeople": keptForPeople, "RefusedKeys": refusedKeys, "KeyUse": keyUse, "RunnersOfKeys": runnersOfKeys, "Drafts": drafts, "Codes": codes, "AccountLinks": accountLinks, "EndedSession": endedSession, "ThiefLeavesNothing": thiefLeavesNothing, "Review": review, "ReviewOnce": reviewOnce, "PreHijack": preHijack, "UnverifiedRoles": unverifiedRoles, "Mails": mails, "SigningKeys": signingKeys, "Factors": factors, "Connections": connections, "Domains": domains, "ExternalSignIn": externalSignIn, "Undelivered": undelivered, "SignInRules": signInRules, "Support": support, "Approvals": approvals, "ApprovalRace": approvalRace, "Outsiders": outsiders, "Returns": returns, "BreakGlass": breakGlass, "Transfer": transfer, "Clients": clients, "Grants": grants, "Devices": devices, "Leases": leases, "Provisioning": provisioning,
		"Plans": plans, "ConfiguredPlans": configuredPlans, "OrgLimits": orgLimits, "PlanLifetimes": planLifetimes, "Seats": seats, "SeatRace": seatRace, "RunnerPlaces": runnerPlaces, "QuotaWarnings": quotaWarnings,
		"InstanceFailures": instanceFailures, "InstanceTransitions": instanceTransitions,
		"UnresponsiveInstance": unresponsive,
	} {
		t.Run(name, func(t *testing.T) {
			c := NewClock()
			f(env{t, open(t, c.Now), c})
		})
	}
}

func (e env) want(err error, code registry.Code) {
	e.Helper()
	if got := registry.ErrorCode(err); got != code || code == "" && err != nil {
		e.Fatalf("error %v (%q), want %q", err, got, code)
	}
}

// refused wants that somebody else, or a key, may not.
func (e env) refused(err error) {
	e.Helper()
	if got := registry.ErrorCode(err); got != registry.CodePersonNeeded {
		e.want(err, registry.CodeForbidden)
	}
}

func (e env) ok(err error) { e.Helper(); e.want(err, "") }

func (e env) user(email string) (registry.User, registry.Actor) {
	e.Helper()
	u, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: email, Name: email, PasswordHash: "hash"})
	e.ok(err)
	return u, e.person(u, registry.SessionID(registry.NewID()), "127.0.0.1")
}

// person is a user who has just signed in.
func (e env) person(u registry.User, id registry.SessionID, address string) registry.Actor {
	return registry.AsSession(u, registry.Session{ID: id, AuthTime: e.clock.Now(), CreatedAt: e.clock.Now()}, address)
}

// now is somebody who has just signed in again.
func (e env) now(u registry.User) registry.Actor {
	e.Helper()
	return e.person(e.again(u), registry.SessionID(registry.NewID()), "")
}

func (e env) org(slug string, owner registry.UserID) registry.Org {
	e.Helper()
	o, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: slug, Owner: owner})
	e.ok(err)
	return o
}

func secret(s string) registry.Hash { return sha256.Sum256([]byte(s)) }

func (e env) member(org registry.OrgID, email string, role registry.Role) (registry.User, registry.Actor) {
	e.Helper()
	_, err := e.s.CreateInvite(ctx, e.ownerOf(org), org, email, role, secret(email))
	e.ok(err)
	u, _, err := e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret(email), email, "hash")
	e.ok(err)
	return u, e.person(u, "", "")
}

// ownerOf is an owner of an org, or the operator while it has none.
func (e env) ownerOf(org registry.OrgID) registry.Actor {
	e.Helper()
	owners, err := e.s.Owners(ctx, system, org)
	e.ok(err)
	if len(owners) == 0 {
		return operator
	}
	u, err := e.s.User(ctx, system, owners[0].UserID)
	e.ok(err)
	return e.person(u, "", "")
}
