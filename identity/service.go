package identity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Store is what identity needs of the registry.
type Store interface {
	registry.Authorizer
	registry.OrgReader
	registry.MemberReader
	registry.RoleSetter
	registry.UserReader
	registry.AccountStore
	registry.SetupStore
	registry.SessionStore
	registry.SignInStore
	registry.GrantStore
	registry.DeviceStore
	registry.KeyStore
	registry.InviteStore
	registry.InviteIssuer
	registry.LinkStore
	registry.FactorReader
	registry.FactorStore
	registry.LockoutStore
	registry.RecoveryStore
	registry.ClientReader
	registry.ClientIssuer
	registry.APIKeyIssuer
	registry.RunnerEnroller
	registry.ConnectionReader
	registry.ConnectionStore
	registry.DomainReader
	registry.DomainVerifier
	registry.SupportRequester
	registry.ReturnReader
	registry.ApprovalDecider
	registry.RouteSource
}

// Service is the identity of one installation.
type Service struct {
	*token.Issuer
	site    func() token.Site
	now     func() time.Time
	Mail    Mailer // nil: no mail is sent
	Outside Outside
	Noted   func(way, result string) // is told of each sign-in; nil: nobody is
	// Limited is told of each refusal by a limit: what was tried, and which limit. nil: nobody is.
	Limited func(purpose, limit string)
	// Shared returns what keeps the limits together with other processes. nil,
	// also returned: this process keeps its own. Set it before the first use.
	Shared func() Limiter
	// Recovered is told of each recovery of an account and each step of it, by its kind. nil: nobody
	// is.
	Recovered func(kind string)
	store     Store
	master    *MasterKey
	log       *slog.Logger
	hasher    *hasher
	limits    allLimits
	local     *localLimiter
	refused   *refusals
	passkeys  *refusals
	letters   letters
	messages  messages
	nodes     nodes

	providers *providers
	recording chan struct{} // refused sign-ins that are written into the audit log
	forgotten chan struct{} // who forgot their passwords and is being seen to

	mu      sync.Mutex
	seen    map[registry.SessionID]time.Time      // last use of sessions, not yet stored
	used    map[registry.APIKeyID]registry.KeyUse // and of keys
	runners map[registry.RunnerID]registry.RunnerSeen
}

// New makes a Service. site is asked at each use, since a config reload may change it.
func New(store Store, master *MasterKey, site func() token.Site, log *slog.Logger, now func() time.Time) *Service {
	s := &Service{
		Issuer: token.NewIssuer(store, master, site, now), site: site, now: now,
		store: store, master: master, log: log, hasher: newHasher(), limits: newAllLimits(), refused: newRefusals(), passkeys: newRefusals(), letters: newLetters(), messages: newMessages(),
		local: newLocalLimiter(now), providers: newProviders(), Outside: defaultOutside(),
		forgotten: make(chan struct{}, forgetful), recording: make(chan struct{}, 4),
		seen: map[registry.SessionID]time.Time{}, used: map[registry.APIKeyID]registry.KeyUse{},
		runners: map[registry.RunnerID]registry.RunnerSeen{},
	}
	return s
}

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
