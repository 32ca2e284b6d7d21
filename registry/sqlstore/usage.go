package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

type latency [registry.LatencyBuckets]int64

// Scan implements sql.Scanner.
func (l *latency) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("latency stored as %T", v)
	}
	return json.Unmarshal([]byte(text), l)
}

// RunningInstances counts the instances that run. For the system.
func (s *Store) RunningInstances(ctx context.Context, a registry.Actor) (n int64, err error) {
	if err := only(a); err != nil {
		return 0, err
	}
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM instances WHERE desired = 'running' AND state IN ('running', 'degraded')`).Scan(&n)
	return n, err
}

// AddUsage adds to the history at a time, with what is of no single org under "", and forgets what is older than UsageLife.
// Not a registry change: no feed entry. For the system.
func (s *Store) AddUsage(ctx context.Context, a registry.Actor, at time.Time, byOrg map[registry.OrgID]registry.Usage) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM usage WHERE at < $1`, us(t.now.Add(-registry.UsageLife))); err != nil {
			return err
		}
		var all registry.Usage
		for org, u := range byOrg {
			all = all.Plus(u)
			if org == "" {
				continue
			}
			if err := t.addUsage(org, at, u); err != nil {
				return err
			}
		}
		return t.addUsage("", at, all)
	})
}

func (t *tx) addUsage(org registry.OrgID, at time.Time, u registry.Usage) error {
	was, err := one(t.ctx, t, scanUsage, errNoOrg(), usageQuery+` WHERE org_id = $1 AND at = $2`, org, us(at))
	if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
		return err
	}
	u = u.Plus(was.Usage)
	b, err := json.Marshal(u.Latency)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO usage (org_id, at, requests, errors, latency, running) VALUES ($1,$2,$3,$4,$5,$6)
		ON CONFLICT (org_id, at) DO UPDATE SET requests = $3, errors = $4, latency = $5, running = $6`, org, us(at), u.Requests, u.Errors, string(b), u.Running)
	return err
}

const usageQuery = `SELECT at, requests, errors, latency, running FROM usage`

func scanUsage(r scanner) (p registry.UsagePoint, err error) {
	err = r.Scan((*micros)(&p.At), &p.Requests, &p.Errors, (*latency)(&p.Latency), &p.Running)
	return p, err
}

// Usage returns the history of an org since a time, oldest first; of all orgs
// with "", for platform admins. Times without requests are left out.
func (s *Store) Usage(ctx context.Context, a registry.Actor, org registry.OrgID, since time.Time) ([]registry.UsagePoint, error) {
	if org == "" {
		if err := s.may(a, registry.ActionPlatformRead); err != nil {
			return nil, err
		}
	} else if _, err := s.Authorize(ctx, a, org, registry.ActionUsageRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanUsage, usageQuery+` WHERE org_id = $1 AND at >= $2 ORDER BY at`, org, us(since))
}

// Totals counts what there is. For platform admins.
func (s *Store) Totals(ctx context.Context, a registry.Actor) (n registry.Totals, err error) {
	if err := s.may(a, registry.ActionPlatformRead); err != nil {
		return n, err
	}
	type count struct {
		status registry.OrgStatus
		state  registry.InstanceState
		n      int
	}
	list, err := collect(ctx, s.read, func(r scanner) (c count, err error) {
		err = r.Scan(&c.status, &c.state, &c.n)
		return c, err
	}, `SELECT o.status, i.state, count(*) FROM orgs o {index orgs_status} JOIN instances i ON i.org_id = o.id WHERE o.status <> 'deleted' GROUP BY o.status, i.state`)
	if err != nil {
		return n, err
	}
	n.Orgs, n.Instances = map[registry.OrgStatus]int{}, map[registry.InstanceState]int{}
	for _, c := range list {
		n.Orgs[c.status] += c.n
		n.Instances[c.state] += c.n
	}
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM users`).Scan(&n.Users); err != nil {
		return n, fmt.Errorf("store: %w", err)
	}
	m := s.moment()
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM sessions s WHERE `+m.live(), us(m.now)).Scan(&n.Sessions)
	return n, err
}
