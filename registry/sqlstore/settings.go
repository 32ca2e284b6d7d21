package sqlstore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// Settings returns an org's settings by name, secrets without their values.
func (s *Store) Settings(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Setting, error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionSettingsRead); err != nil {
		return nil, err
	}
	return settings(ctx, s.read, org)
}

func settings(ctx context.Context, q querier, org registry.OrgID) ([]registry.Setting, error) {
	return collect(ctx, q, func(r scanner) (v registry.Setting, err error) {
		err = r.Scan(&v.Name, &v.Value, &v.Secret, (*micros)(&v.UpdatedAt), &v.UpdatedBy, &v.ChangeID)
		return v, err
	}, `SELECT name, value, sealed IS NOT NULL, updated_at, updated_by, change_id FROM settings WHERE org_id = $1 ORDER BY name`, org)
}

// SetSettings sets and, with nil, unsets settings of an org, all or none. The
// instance gets them at its next start; a failed one starts at once. The log names
// what changed, no values. version must be current ("" = any). Error: CodeVersionConflict.
func (s *Store) SetSettings(ctx context.Context, a registry.Actor, org registry.OrgID, version string, changes map[string]*registry.SettingValue) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionSettingsWrite)
		if err != nil || len(changes) == 0 {
			return err
		}
		now, err := settings(t.ctx, t, org)
		if err != nil {
			return err
		}
		if err := registry.CheckVersion(version, registry.SettingsVersion(now)); err != nil {
			return err
		}
		change := registry.NewID()
		names := slices.Sorted(maps.Keys(changes))
		for _, name := range names {
			c := changes[name]
			if c == nil {
				if _, err := t.exec(`DELETE FROM settings WHERE org_id = $1 AND name = $2`, org, name); err != nil {
					return err
				}
				continue
			}
			if err := registry.CheckSettingName(name); err != nil {
				return err
			}
			if _, err := t.exec(`INSERT INTO settings (org_id, name, value, sealed, updated_at, updated_by, change_id) VALUES ($1,$2,$3,$4,$5,$6,$7)
				ON CONFLICT (org_id, name) DO UPDATE SET value = $3, sealed = $4, updated_at = $5, updated_by = $6, change_id = $7`, org, name, c.Value, c.Sealed, us(t.now), a.Name(), change); err != nil {
				return err
			}
		}
		var n int
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM settings WHERE org_id = $1`, org).Scan(&n); err != nil {
			return err
		}
		if n > registry.SettingsMax {
			return registry.Errorf(registry.CodeInvalid, "", "an org has at most %d settings", registry.SettingsMax)
		}
		// They may be what a failing instance lacks: it is tried with them at once.
		_, err = t.exec(`UPDATE instances SET failures = 0 WHERE org_id = $1 AND state = $2`,
			org, registry.InstanceFailed)
		if err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeSettingsChanged, OrgID: org, Slug: v.Slug}, v.Slug, strings.Join(names, ", "))
	})
}

// SettingValues returns an org's settings with their values, as they are kept. For the system, which starts instances.
func (s *Store) SettingValues(ctx context.Context, a registry.Actor, org registry.OrgID) (map[string]registry.SettingValue, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	type row struct {
		name string
		v    registry.SettingValue
	}
	rows, err := collect(ctx, s.read, func(r scanner) (v row, err error) {
		err = r.Scan(&v.name, &v.v.Value, &v.v.Sealed)
		return v, err
	}, `SELECT name, value, sealed FROM settings WHERE org_id = $1`, org)
	out := map[string]registry.SettingValue{}
	for _, r := range rows {
		out[r.name] = r.v
	}
	return out, err
}
