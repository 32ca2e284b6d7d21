package identity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is what identity needs of the registry.
type Store interface {
	KeyStore
	UserByEmail(ctx context.Context, a registry.Actor, email string) (registry.User, error)
	User(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	CreateUser(ctx context.Context, a registry.Actor, n registry.NewUser) (registry.User, error)
	SetPassword(ctx context.Context, a registry.Actor, hash registry.PasswordHash) error
	Rehash(ctx context.Context, a registry.Actor, id registry.UserID, from, to registry.PasswordHash) error
	HasPlatformAdmin(ctx context.Context, a registry.Actor) (bool, error)
	CreateSession(ctx context.Context, a registry.Actor, n registry.NewSession) (registry.Session, error)
	SessionByToken(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Session, registry.User, error)
	SessionByID(ctx context.Context, a registry.Actor, id registry.SessionID) (registry.Session, registry.User, error)
	RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error
	TouchSessions(ctx context.Context, a registry.Actor, seen map[registry.SessionID]time.Time) error
	UsedSession(ctx context.Context, a registry.Actor, id registry.SessionID, org registry.OrgID, at time.Time) error
	Grant(ctx context.Context, a registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error)
	InsertCode(ctx context.Context, a registry.Actor, c registry.NewCode) error
	RedeemCode(ctx context.Context, a registry.Actor, m registry.CodeMatch) (registry.Grant, error)
	CreateClient(ctx context.Context, a registry.Actor, n registry.NewClient, secret registry.Hash) (registry.Client, error)
	Client(ctx context.Context, a registry.Actor, id registry.ClientID) (registry.Client, error)
	SetClientSecret(ctx context.Context, a registry.Actor, id registry.ClientID, secret registry.Hash) (registry.Client, error)
	GrantByID(ctx context.Context, a registry.Actor, id registry.GrantID) (registry.Grant, error)
	GrantByRefresh(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Grant, error)
	Refresh(ctx context.Context, a registry.Actor, m registry.RefreshMatch) (registry.Grant, error)
	EndGrant(ctx context.Context, a registry.Actor, id registry.GrantID) error
	CreateDeviceRequest(ctx context.Context, a registry.Actor, d registry.DeviceRequest) error
	DeviceRequest(ctx context.Context, a registry.Actor, userCode string) (registry.DeviceRequest, error)
	DecideDevice(ctx context.Context, a registry.Actor, userCode string, d registry.Decision) error
	RedeemDevice(ctx context.Context, a registry.Actor, code registry.Hash, g registry.Grant, refresh registry.Hash) (registry.Grant, error)
	Link(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error)
	CreateSetupLink(ctx context.Context, a registry.Actor, secret registry.Hash) (time.Time, error)
	RedeemSetup(ctx context.Context, a registry.Actor, secret registry.Hash, n registry.NewUser) (registry.User, error)
	AcceptInvite(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error)
	AcceptInviteAsNew(ctx context.Context, a registry.Actor, secret registry.Hash, name string, hash registry.PasswordHash) (registry.User, registry.Link, error)
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
	SigningKeys(ctx context.Context, a registry.Actor) ([]registry.Key, error)
	RotateKeys(ctx context.Context, a registry.Actor, keys []registry.Key, r registry.KeyRotation) error
	CreateAccountLink(ctx context.Context, a registry.Actor, kind registry.LinkKind, id registry.UserID, email string, secret registry.Hash) (registry.Link, error)
	ConfirmEmail(ctx context.Context, a registry.Actor, secret registry.Hash) (was, now registry.User, err error)
	StopEmailChange(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.User,
		error)
	Review(ctx context.Context, a registry.Actor, keep map[string]bool,
		recovery []registry.Hash) (factors bool, err error)
	ResetPassword(ctx context.Context, a registry.Actor, secret registry.Hash, hash registry.PasswordHash) (registry.User, error)
	Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error)
	DeclineInvite(ctx context.Context, a registry.Actor, secret registry.Hash) error
	CreateInvite(ctx context.Context, a registry.Actor, org registry.OrgID, email string, role registry.Role, secret registry.Hash) (registry.Link, error)
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error)
	Connection(ctx context.Context, a registry.Actor, id registry.ConnectionID) (registry.Connection, error)
	Connections(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Connection, error)
	ConnectionsOfDomain(ctx context.Context, a registry.Actor, domain string) ([]registry.Connection, error)
	CreateConnection(ctx context.Context, a registry.Actor, c registry.Connection) (registry.Connection, error)
	UpdateConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID, change registry.ConnectionChange) (registry.Connection, error)
	SignInExternal(ctx context.Context, a registry.Actor, x registry.ExternalSignIn) (u registry.User, linked bool, err error)
	RequestSupport(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewSupport) (registry.Support, error)
	Admins(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	Owners(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	Members(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.List) (registry.Page[registry.Member], error)
	UserOrgs(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.OrgView, error)
	SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error
	Returns(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Approval, error)
	RequestApproval(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewApproval) (registry.Approval, error)
	DecideApproval(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID, d registry.Decision, secret registry.Hash) (registry.Approval, registry.Link, error)
	BreakGlass(ctx context.Context, a registry.Actor, org registry.OrgID, email string) (registry.Approval, error)
	Domains(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Domain, error)
	AddDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, token string) (registry.Domain, error)
	VerifyDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, value string) (registry.Domain, error)
	ClaimDomainChecks(ctx context.Context, a registry.Actor, limit int) ([]registry.Domain, error)
	ReportDomainCheck(ctx context.Context, a registry.Actor, was registry.Domain, l registry.Look) (registry.Domain, error)
	Authorize(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error)
	AuthorizePlatform(ctx context.Context, a registry.Actor, action registry.Action) error
	CreateAPIKey(ctx context.Context, a registry.Actor, n registry.NewAPIKey, hash registry.Hash) (registry.APIKey, error)
	APIKeyByHash(ctx context.Context, a registry.Actor, hash registry.Hash) (registry.APIKey, registry.User, error)
	TouchAPIKeys(ctx context.Context, a registry.Actor, used map[registry.APIKeyID]registry.KeyUse) error
	CreateRunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewRunnerClaim, secret registry.Hash) (registry.RunnerClaim, error)
	EnrollRunner(ctx context.Context, a registry.Actor, claim registry.Hash, name string, key registry.Hash) (registry.Runner, error)
	RunnerGrant(ctx context.Context, a registry.Actor, id registry.RunnerID, key *registry.Hash) (registry.Grant, error)
	TouchRunners(ctx context.Context, a registry.Actor, seen map[registry.RunnerID]registry.RunnerSeen) error
}

// Service is the identity of one installation.
type Service struct {
	Issuer
	Mail    Mailer // nil: no mail is sent
	Outside Outside
	Noted   func(way, result string) // is told of each sign-in; nil: nobody is
	// Limited is told of each refusal by a limit: what was tried, and which limit. nil: nobody is.
	Limited func(purpose, limit string)
	// Recovered is told of each recovery of an account and each step of it, by its kind. nil: nobody
	// is.
	Recovered func(kind string)
	store     Store
	master    *MasterKey
	log       *slog.Logger
	hasher    *hasher
	limits    allLimits
	refused   *refusals
	passkeys  *refusals
	letters   *letters

	providers *providers
	recording chan struct{} // refused sign-ins that are written into the audit log
	forgotten chan struct{} // who forgot their passwords and is being seen to

	mu      sync.Mutex
	seen    map[registry.SessionID]time.Time      // last use of sessions, not yet stored
	used    map[registry.APIKeyID]registry.KeyUse // and of keys
	runners map[registry.RunnerID]registry.RunnerSeen
}

// New makes a Service. site is asked at each use, since a config reload may change it.
func New(store Store, master *MasterKey, site func() Site, log *slog.Logger, now func() time.Time) *Service {
	s := &Service{
		Issuer: Issuer{site: site, now: now},
		store:  store, master: master, log: log, hasher: newHasher(), limits: newAllLimits(), refused: newRefusals(), passkeys: newRefusals(), letters: newLetters(),
		providers: newProviders(), Outside: defaultOutside(),
		forgotten: make(chan struct{}, forgetful), recording: make(chan struct{}, 4),
		seen: map[registry.SessionID]time.Time{}, used: map[registry.APIKeyID]registry.KeyUse{},
		runners: map[registry.RunnerID]registry.RunnerSeen{},
	}
	alg := func() string { return s.site().alg() }
	s.Token, s.Session, s.Assertions = NewRing(RingToken, store, master, now, alg), NewRing(RingSession, store, master, now, alg), NewRing(RingAssertion, store, master, now, alg)
	s.TokenRSA = NewRing(RingTokenRSA, store, master, now, func() string { return registry.AlgRS256 })
	s.TokenRSA.lazy = true
	return s
}

func (s *Service) rings() []*Ring { return []*Ring{s.Token, s.TokenRSA, s.Session, s.Assertions} }

// Refresh reads the key rings, publishing new keys when they are due.
func (s *Service) Refresh(ctx context.Context) error {
	for _, r := range s.rings() {
		if err := r.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

// UseKeys puts sealed keys to use while the store is away. registry.ErrSealed: they do not open.
func (s *Service) UseKeys(sealed []registry.Key) error {
	for _, r := range s.rings() {
		if err := r.Use(sealed); err != nil {
			return err
		}
	}
	return nil
}

// SealedKeys returns the keys in use, of every ring.
func (s *Service) SealedKeys() (out []registry.Key) {
	for _, r := range s.rings() {
		out = append(out, r.Stored()...)
	}
	return out
}

// Site is where the installation is reached.
func (s *Service) Site() Site { return s.site() }

// Flush stores when sessions were last used. On an error it keeps them for the next time.
func (s *Service) Flush(ctx context.Context) error {
	s.mu.Lock()
	seen := s.seen
	s.seen = map[registry.SessionID]time.Time{}
	s.mu.Unlock()
	if err := s.flushRunners(ctx); err != nil {
		s.log.Warn("maintenance", "error", err)
	}
	if err := s.flushKeys(ctx); err != nil {
		s.log.Warn("last use of keys is not stored", "error", err)
	}
	if len(seen) == 0 {
		return nil
	}
	err := s.store.TouchSessions(ctx, registry.AsSystem("sessions"), seen)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, at := range seen {
			if s.seen[id].Before(at) {
				s.seen[id] = at
			}
		}
	}
	return err
}

// Seal encrypts what the store keeps for one purpose; name is bound to it, so
// that one row's value cannot stand in another's.
func (s *Service) Seal(purpose, name string, plain []byte) []byte {
	return s.master.Sealer(purpose).Seal(nil, nil, plain, []byte(name))
}

// Open undoes Seal.
func (s *Service) Open(purpose, name string, sealed []byte) ([]byte, error) {
	plain, err := s.master.Sealer(purpose).Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("identity: %s %q cannot be opened with this secret key: %w", purpose, name, err)
	}
	return plain, nil
}
