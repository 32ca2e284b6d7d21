package identity

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// CreateRunnerClaim makes a claim and returns its secret, this once. See registry's Store.CreateRunnerClaim.
func (s *Service) CreateRunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewRunnerClaim) (registry.RunnerClaim, token.Secret, error) {
	secret := token.NewAPIKey(token.PrefixClaim)
	c, err := s.store.CreateRunnerClaim(ctx, a, org, n, secret.Hash())
	return c, secret, err
}

// EnrollRunner uses a claim up for a runner and returns its key, this once. Errors: CodeGone, CodeInvalid.
func (s *Service) EnrollRunner(ctx context.Context, claim, name, address string) (registry.Runner, token.Secret, error) {
	if !token.WholeKey(claim, token.PrefixClaim) {
		return registry.Runner{}, "", registry.Errorf(registry.CodeInvalid, "claim", "this is not a whole claim: it begins with %s and has %d characters", token.PrefixClaim, token.KeyLength)
	}
	key := token.NewAPIKey(token.PrefixRunner)
	r, err := s.store.EnrollRunner(ctx, registry.AsVisitor(address), token.Secret(claim).Hash(), name, key.Hash())
	return r, key, err
}

// runnerToken answers the client credentials grant (RFC 6749, section 4.4) of a
// runner: its ID and key for a token of its org's host. There is no refresh token
// (section 4.4.3): the runner asks again.
func (s *Service) runnerToken(ctx context.Context, id registry.RunnerID, key string, form url.Values, address string) (Tokens, error) {
	if !token.WholeKey(key, token.PrefixRunner) {
		return Tokens{}, InvalidClient
	}
	hash := token.Secret(key).Hash()
	g, err := s.store.RunnerGrant(ctx, registry.AsSystem("token"), id, &hash)
	switch registry.ErrorCode(err) {
	case registry.CodeNotFound:
		return Tokens{}, InvalidClient
	case registry.CodeForbidden:
		return Tokens{}, UnauthorizedClient
	}
	if err != nil {
		return Tokens{}, err
	}
	if form.Get("grant_type") != "client_credentials" {
		return Tokens{}, UnsupportedGrant
	}
	access, err := s.SessionToken(g)
	if err != nil {
		return Tokens{}, err
	}
	s.mu.Lock()
	s.runners[id] = registry.RunnerSeen{At: s.now(), Address: address}
	s.mu.Unlock()
	life := min(token.SessionTokenLife, g.Session.ExpiresAt.Sub(s.now()))
	return Tokens{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(life / time.Second)}, nil
}

// grantAgain reads what the holder of an org session stands for now.
func (s *Service) grantAgain(ctx context.Context, old token.SessionClaims) (registry.Grant, error) {
	if old.Role != registry.RoleRunner {
		return s.grant(ctx, "renew", old.SessionID, old.OrgID)
	}
	return s.store.RunnerGrant(ctx, registry.AsSystem("renew"), registry.RunnerID(old.SessionID), nil)
}

// flushRunners stores when runners were last seen. On an error it keeps them for the next time.
func (s *Service) flushRunners(ctx context.Context) error {
	s.mu.Lock()
	seen := s.runners
	s.runners = map[registry.RunnerID]registry.RunnerSeen{}
	s.mu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	err := s.store.TouchRunners(ctx, registry.AsSystem("runners"), seen)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, v := range seen {
			if _, newer := s.runners[id]; !newer {
				s.runners[id] = v
			}
		}
		return errors.Join(errors.New("last sight of runners is not stored"), err)
	}
	return nil
}
