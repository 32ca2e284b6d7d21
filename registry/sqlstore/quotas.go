package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// allowance is what an org may use: by its plan, and of its own.
type allowance struct {
	plan    string
	defined bool
	by, own registry.Limits
}

// all are the limits that count.
func (g allowance) all() registry.Limits { return g.by.With(g.own) }

// allowanceColumns go with orgs o LEFT JOIN plans p.
const (
	allowanceColumns = `o.plan, p.name IS NOT NULL, COALESCE(p.limits, '{}'), o.limits`
	allowanceJoin    = ` LEFT JOIN plans p ON p.name = o.plan`
)

func allowanceFields(g *allowance) []any {
	return []any{&g.plan, &g.defined, (*limits)(&g.by), (*limits)(&g.own)}
}

func scanAllowance(r scanner) (g allowance, err error) {
	err = r.Scan(allowanceFields(&g)...)
	return g, err
}

const allowanceQuery = `SELECT ` + allowanceColumns +
	` FROM orgs o` + allowanceJoin + ` WHERE o.id = $1`

func (t *tx) limitsOf(org registry.OrgID) (allowance, error) {
	return one(t.ctx, t, scanAllowance, errNoOrg(), allowanceQuery, org)
}

// Members and runners, as quotas count them: who is here for support for a while takes no seat.
const (
	countMembers = `(SELECT count(*) FROM memberships m WHERE m.org_id = o.id AND m.ends_at = 0)`
	countRunners = `(SELECT count(*) FROM runners r WHERE r.org_id = o.id AND r.expires_at > $1)`
	countInvites = `(SELECT count(*) FROM links l WHERE l.org_id = o.id AND l.kind = 'invite'
		AND l.used_at IS NULL AND l.expires_at > $1)`
	countClaims = `(SELECT count(*) FROM runner_claims c
		WHERE c.org_id = o.id AND c.expires_at > $1)`
)

// room refuses one more of what an org has a limit of. waiting counts those that have been promised
// a place. Writers are serial: as many as come at once never pass the limit. Error: CodeConflict.
func (t *tx) room(
	org registry.OrgID, name registry.LimitName, count string, waiting ...string,
) error {
	g, err := t.limitsOf(org)
	if err != nil {
		return err
	}
	most, limited := g.all()[name]
	if !limited {
		return nil
	}
	var have float64
	err = t.QueryRowContext(t.ctx, `SELECT `+strings.Join(append(waiting, count), ` + `)+
		` FROM orgs o WHERE o.id = $2 AND CAST($1 AS BIGINT) > 0`, us(t.now), org).Scan(&have)
	if err != nil || have < most {
		return err
	}
	also := map[registry.LimitName]string{
		registry.LimitMembers: "members and open invitations",
		registry.LimitRunners: "runners and open claims",
	}[name]
	if len(waiting) == 0 {
		also = string(name)
	}
	return registry.Errorf(
		registry.CodeConflict,
		string(name),
		"the org may have %.0f %s and has %.0f %s: remove one, or ask whoever runs this installation "+
			"for more",
		most,
		name,
		have,
		also,
	).Because(registry.ReasonLimitReached)
}

// Quota returns what an org uses of what it may, as far as the store counts it.
func (s *Store) Quota(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) (q registry.Quota, err error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionUsageRead); err != nil {
		return q, err
	}
	type row struct {
		allowance
		members, runners float64
	}
	r, err := one(ctx, s.read, func(r scanner) (v row, err error) {
		err = r.Scan(append(allowanceFields(&v.allowance), &v.members, &v.runners)...)
		return v, err
	}, errNoOrg(), `SELECT `+allowanceColumns+`, `+countMembers+`, `+countRunners+`
		FROM orgs o`+allowanceJoin+` WHERE o.id = $2`,
		us(s.now()), org)
	if err != nil {
		return q, err
	}
	q.Plan, q.Defined = r.plan, r.defined ||
		r.plan == registry.DefaultPlan // which needs no definition
	all := r.all()
	for _, name := range registry.LimitNames() {
		i := registry.QuotaItem{Name: name}
		if most, ok := all[name]; ok {
			i.Limit = &most
			_, i.Own = r.own[name]
		}
		switch name {
		case registry.LimitMembers:
			i.Use(r.members)
		case registry.LimitRunners:
			i.Use(r.runners)
		}
		q.Items = append(q.Items, i)
	}
	return q, nil
}

// warned is an org with the use and the levels of its limits.
type warned struct {
	allowance
	w                registry.QuotaWarning
	members, runners float64
	levels           [3]registry.QuotaLevel // of members, runners, requests
}

var warnedLimits = [...]registry.LimitName{
	registry.LimitMembers, registry.LimitRunners, registry.LimitRequests,
}

func scanWarned(r scanner) (v warned, err error) {
	err = r.Scan(
		append(
			allowanceFields(&v.allowance), &v.w.OrgID, &v.w.Slug, &v.w.Name, &v.members, &v.runners,
			&v.levels[0], &v.levels[1], &v.levels[2],
		)...)
	return v, err
}

const (
	levelOf = `COALESCE((SELECT w.level FROM quota_warnings w
		WHERE w.org_id = o.id AND w.name = '%s'), 0)`
	warnedQuery = `SELECT ` + allowanceColumns + `, o.id, o.slug, o.name, ` +
		countMembers + `, ` + countRunners + `, %s, %s, %s
		FROM orgs o` + allowanceJoin + ` WHERE o.status IN ('active', 'provisioning')
		AND (p.limits <> '{}' OR o.limits <> '{}' OR EXISTS (SELECT 1 FROM quota_warnings w WHERE w.org_id = o.id))`
)

// next is the level that follows for a limit.
func (v warned) next(
	i int, refused registry.RefusedRequests,
) (level registry.QuotaLevel, used, most float64) {
	most, limited := v.all()[warnedLimits[i]]
	switch {
	case !limited && warnedLimits[i] != registry.LimitRequests:
		return registry.QuotaNone, 0, 0
	case i == 0:
		used = v.members
	case i == 1:
		used = v.runners
	default:
		switch refused.Of(v.w.OrgID) {
		case registry.RefusedLong:
			return registry.QuotaHard, 0, most
		case registry.RefusedNone:
			return registry.QuotaNone, 0, most
		}
		return v.levels[i], 0, most
	}
	return v.levels[i].Next(used, most), used, most
}

// CheckQuotas notes how far orgs use what they may, and returns what their people are to be warned
// of: each level once, until the use has fallen below it. For the system.
func (s *Store) CheckQuotas(
	ctx context.Context, a registry.Actor, refused registry.RefusedRequests,
) (list []registry.QuotaWarning, err error) {
	if err := only(a); err != nil {
		return nil, err
	}
	query := warnedQuery
	for _, name := range warnedLimits {
		query = strings.Replace(query, "%s", fmt.Sprintf(levelOf, name), 1)
	}
	differs := func(v warned) bool {
		for i := range warnedLimits {
			if level, _, _ := v.next(i, refused); level != v.levels[i] {
				return true
			}
		}
		return false
	}
	orgs, err := collect(ctx, s.read, scanWarned, query, us(s.now()))
	if err != nil {
		return nil, err
	}
	for _, v := range orgs {
		if !differs(v) {
			continue
		}
		var reached []registry.QuotaWarning
		err := s.recording(ctx, a, func(t *tx) error {
			now, err := one(
				t.ctx,
				t,
				scanWarned,
				errNoOrg(),
				query+` AND o.id = $2`,
				us(t.now),
				v.w.OrgID,
			)
			if err != nil {
				return err
			}
			reached, err = t.warn(now, refused)
			return err
		})
		if err != nil && registry.ErrorCode(err) != registry.CodeNotFound { // it is closed meanwhile
			return list, err
		}
		if err == nil {
			list = append(list, reached...)
		}
	}
	return list, nil
}

// warn notes the levels of an org's limits, and records those that it has reached.
func (t *tx) warn(
	v warned, refused registry.RefusedRequests,
) (list []registry.QuotaWarning, err error) {
	for i, name := range warnedLimits {
		level, used, most := v.next(i, refused)
		if level == v.levels[i] {
			continue
		}
		if _, err := t.exec(
			`INSERT INTO quota_warnings (org_id, name, level, at) VALUES ($1,$2,$3,$4)
			ON CONFLICT (org_id, name) DO UPDATE SET level = $3, at = $4`,
			v.w.OrgID,
			name,
			level,
			us(t.now),
		); err != nil {
			return nil, err
		}
		if level == registry.QuotaNone {
			if _, err := t.exec(
				`DELETE FROM quota_warnings WHERE org_id = $1 AND name = $2`,
				v.w.OrgID,
				name,
			); err != nil {
				return nil, err
			}
		}
		if level < v.levels[i] {
			continue
		}
		w := v.w
		w.Limit, w.Level, w.Used, w.Most = name, level, used, most
		if err := t.record(
			registry.Change{Kind: registry.ChangeOrgQuotaWarning, OrgID: w.OrgID}, string(name),
			w.Detail(),
		); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// Admins returns all owners and admins of an org. For the system.
func (s *Store) Admins(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) ([]registry.Member, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(
		ctx,
		s.read,
		scanMember,
		memberQuery+` AND m.role IN ('owner', 'admin') AND m.ends_at = 0 AND m.held_at = 0
		ORDER BY m.user_id`,
		org,
	)
}
