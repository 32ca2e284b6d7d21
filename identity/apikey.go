package identity

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// CreateAPIKey makes a key and returns it, this once. See registry's Store.CreateAPIKey.
func (s *Service) CreateAPIKey(ctx context.Context, a registry.Actor, n registry.NewAPIKey) (registry.APIKey, token.Secret, error) {
	prefix := token.PrefixPersonal
	if n.Role != "" {
		prefix = token.PrefixService
	}
	secret := token.NewAPIKey(prefix)
	k, err := s.store.CreateAPIKey(ctx, a, n, secret.Hash())
	return k, secret, err
}

// AuthenticateKey returns who presents an API key. Errors: ErrToken (no such key, or no more), CodeNotFound.
func (s *Service) AuthenticateKey(ctx context.Context, key, address string) (registry.Actor, registry.User, error) {
	if !token.WholeKey(key, token.PrefixPersonal) && !token.WholeKey(key, token.PrefixService) {
		return registry.Actor{}, registry.User{}, fmt.Errorf("%w: not an API key", token.ErrToken)
	}
	k, u, err := s.store.APIKeyByHash(ctx, registry.AsSystem("api"), token.Secret(key).Hash())
	if err != nil {
		return registry.Actor{}, u, err
	}
	s.mu.Lock()
	s.used[k.ID] = registry.KeyUse{At: s.now(), Address: address}
	s.mu.Unlock()
	return registry.AsKey(k, u, address), u, nil
}

// flushKeys stores when and from where keys were last used.
func (s *Service) flushKeys(ctx context.Context) error {
	s.mu.Lock()
	used := s.used
	s.used = map[registry.APIKeyID]registry.KeyUse{}
	s.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	return s.store.TouchAPIKeys(ctx, registry.AsSystem("keys"), used)
}
