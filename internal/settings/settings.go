// Package settings is what orgs set for their instances: checked against the
// operator's schema, secrets sealed before they reach the store and opened only
// to start an instance.
package settings

import (
	"context"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

// Store keeps settings, and decides who may.
type Store interface {
	registry.Authorizer
	registry.SettingStore
}

// Sealer seals secrets, bound to a purpose and a name.
type Sealer interface {
	Seal(purpose, name string, plain []byte) []byte
	Open(purpose, name string, sealed []byte) ([]byte, error)
}

// Service sets and reads settings.
type Service struct {
	Store  Store
	Sealer Sealer
	Schema func() registry.Schema
}

const purpose = "settings"

// Set changes settings of an org; nil unsets one. version is that of the settings that the caller has
// seen, "" for any. A required setting without a default cannot be unset or empty. Errors: CodeInvalid,
// with the variable's name as field, and those of the store.
func (s *Service) Set(ctx context.Context, a registry.Actor, org registry.OrgID, version string, values, secrets map[string]*string) error {
	// Who may is decided before what is wrong is told.
	if _, err := s.Store.Authorize(ctx, a, org, registry.ActionSettingsWrite); err != nil {
		return err
	}
	schema := s.Schema()
	changes := map[string]*registry.SettingValue{}
	put := func(m map[string]*string, secret bool) error {
		for name, v := range m {
			if _, twice := changes[name]; twice {
				return registry.Errorf(registry.CodeInvalid, name, "%s is given as a value and as a secret", name)
			}
			changes[name] = nil
			if v == nil {
				if err := schema.CheckUnset(name); err != nil {
					return err
				}
				continue
			}
			clean, err := schema.Clean(name, *v)
			if err != nil {
				return err
			}
			if f, _ := schema.Field(name); secret || f.Type == registry.FieldSecret {
				changes[name] = &registry.SettingValue{Sealed: s.Sealer.Seal(purpose, string(org)+"/"+name, []byte(clean))}
			} else {
				changes[name] = &registry.SettingValue{Value: clean}
			}
		}
		return nil
	}
	if err := put(values, false); err != nil {
		return err
	}
	if err := put(secrets, true); err != nil {
		return err
	}
	return s.Store.SetSettings(ctx, a, org, version, changes)
}

// Environment returns an org's settings as variables, with the schema's
// defaults, and the names of those that are secret. What the schema allows no longer is left out.
func (s *Service) Environment(
	ctx context.Context, org registry.OrgID,
) (env map[string]string, secrets []string, err error) {
	stored, err := s.Store.SettingValues(ctx, registry.AsSystem("settings"), org)
	if err != nil {
		return nil, nil, err
	}
	schema := s.Schema()
	env = map[string]string{}
	for _, f := range schema.Fields {
		if f.Default != "" {
			env[f.Name] = f.Default
		}
	}
	for name, v := range stored {
		value := v.Value
		if v.Sealed != nil {
			plain, err := s.Sealer.Open(purpose, string(org)+"/"+name, v.Sealed)
			if err != nil {
				return nil, nil, err
			}
			value = string(plain)
			secrets = append(secrets, name)
		}
		if clean, err := schema.Clean(name, value); err == nil {
			env[name] = clean
		}
	}
	slices.Sort(secrets)
	return env, secrets, nil
}
