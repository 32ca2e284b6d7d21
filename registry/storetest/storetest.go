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
	s     registry.Store
	clock *Clock
}

// RunTests runs the suite; open makes an empty store on the given clock.
func RunTests(t *testing.T, open func(t *testing.T, now func() time.Time) registry.Store) {
	for name, f := range map[string]func(env){
		"NobodyIsRefusedEverywhere": nobody,
		"SlugRules":                 slugs,
		"RenameAndQuarantine":       renames,
		"RenameKeepsStopped":        renamesStopped,
		"RenamesAreBounded":         squatting,
		"DomainChecks":              domainChecks,
		"AllRoutes":                 allRoutes,
		"StatusTable":               statuses,
		"OptimisticConcurrency":     versions,
		"Visibility":                visibility,
		"LastOwner":                 lastOwner,
		"LastOwnerRace":             lastOwnerRace,
		"SlugRace":                  slugRace,
		"FeedIsGapless":             feed,
		"LostHistory":               lostHistory,
		"AuditChain":                auditChain,
		"AuditHeads":                auditHeads,
		"AuditTexts":                auditTexts,
		"Events":                    events,
		"Usage":                     usage,
		"UsageAtOnce":               usageAtOnce,
		"Webhooks":                  webhooks,
		"Settings":                  settings,
		"SeenVersions":              seenVersions,
		"Idempotency":               idempotency,
		"Setup":                     setup,
		"Invites":                   invites,
		"Sessions":                  sessions,
		"SessionLists":              sessionLists,
		"SessionLifetimes":          sessionLifetimes,
		"OrgLifetimes":              orgLifetimes,
		"InvitesUnderRules":         invitesUnderRules,
		"Pages":                     pages,
		"AuditTimes":                auditTimes,
		"Search":                    searches,
		"Deletion":                  deletion,
		"Users":                     users,
		"DeletedAccounts":           deletedAccounts,
		"DormantAccounts":           dormantAccounts,
		"LastOnes":                  lastOnes,
		"DisabledAccounts":          disabledAccounts,
		"APIKeys":                   apiKeys,
		"Runners":                   runners,
		"KeysReach":                 keysReach,
		"KeptForPeople":             keptForPeople,
		"RefusedKeys":               refusedKeys,
		"KeyUse":                    keyUse,
		"RunnersOfKeys":             runnersOfKeys,
		"Drafts":                    drafts,
		"Codes":                     codes,
		"AccountLinks":              accountLinks,
		"EndedSession":              endedSession,
		"ThiefLeavesNothing":        thiefLeavesNothing,
		"Review":                    review,
		"ReviewOnce":                reviewOnce,
		"PreHijack":                 preHijack,
		"UnverifiedRoles":           unverifiedRoles,
		"Mails":                     mails,
		"SigningKeys":               signingKeys,
		"Factors":                   factors,
		"Connections":               connections,
		"SignInPage":                signInPage,
		"Domains":                   domains,
		"ExternalSignIn":            externalSignIn,
		"Undelivered":               undelivered,
		"SignInRules":               signInRules,
		"Support":                   support,
		"Approvals":                 approvals,
		"ApprovalRace":              approvalRace,
		"Outsiders":                 outsiders,
		"Returns":                   returns,
		"BreakGlass":                breakGlass,
		"Transfer":                  transfer,
		"Clients":                   clients,
		"Grants":                    grants,
		"Devices":                   devices,
		"Leases":                    leases,
		"NodeReports":               nodeReports,
		"SessionUses":               sessionUses,
		"Provisioning":              provisioning,
		"Plans":                     plans,
		"ConfiguredPlans":           configuredPlans,
		"NodesPlans":                nodesPlans,
		"OrgLimits":                 orgLimits,
		"Providers":                 providers,
		"PlanLifetimes":             planLifetimes,
		"Seats":                     seats,
		"SeatRace":                  seatRace,
		"RunnerPlaces":              runnerPlaces,
		"QuotaWarnings":             quotaWarnings,
		"InstanceFailures":          instanceFailures,
		"InstanceTransitions":       instanceTransitions,
		"UnresponsiveInstance":      unresponsive,
		"Installation":              installation,
		"InstallationID":            installationID,
		"Changed":                   changed,
		"Places":                    places,
		"BrokenLeases":              brokenLeases,
		"NamedLeases":               namedLeases,
		"PrunedAudit":               prunedAudit,
		"RevokedInvites":            revokedInvites,
		"StoppedEmailChange":        stoppedEmailChange,
		"Rehashed":                  rehashed,
		"Claims":                    claims,
		"Heartbeats":                heartbeats,
		"Revocations":               revocations,
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
