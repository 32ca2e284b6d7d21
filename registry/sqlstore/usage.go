package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// usageRows is how many orgs one transaction adds to. None holds its rows for long.
const usageRows = 1000

// AddUsage adds to the history, and forgets what is older than UsageLife. Not a registry change: no
// feed entry. For the system.
func (s *Store) AddUsage(ctx context.Context, a registry.Actor, b registry.UsageBatch) error {
	if err := only(a); err != nil {
		return err
	}
	err := s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`DELETE FROM usage WHERE at < $1`, us(t.now.Add(-registry.UsageLife)))
		return err
	})
	if err != nil {
		return err
	}
	rows, err := usageOf(b)
	if err != nil {
		return err
	}
	part := 0
	for some := range slices.Chunk(rows, usageRows) {
		part++
		if err := s.addUsage(ctx, a, fmt.Sprintf("%s/%d", b.ID, part), b.At, some); err != nil {
			return err
		}
	}
	return nil
}

// usageOf returns the rows of a batch as JSON, by org: nodes that add at once wait for each other
// instead of forming a deadlock. The row of all orgs is the last, since every node has it.
func usageOf(b registry.UsageBatch) (rows []string, err error) {
	var all registry.Usage
	put := func(org registry.OrgID, u registry.Usage) error {
		row, err := json.Marshal(map[string]any{
			"org": org, "requests": u.Requests, "errors": u.Errors, "latency": u.Latency,
			"running": u.Running,
		})
		rows = append(rows, string(row))
		return err
	}
	for _, org := range inOrder(b.ByOrg) {
		u := b.ByOrg[org]
		all = all.Plus(u)
		if org == "" {
			continue
		}
		if err := put(org, u); err != nil {
			return nil, err
		}
	}
	return rows, errors.Join(err, put("", all))
}

// addUsage adds rows, unless it did so before under this key: its commit may succeed though nobody
// hears of it.
func (s *Store) addUsage(
	ctx context.Context, a registry.Actor, key string, at time.Time, rows []string,
) error {
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		n, err := t.exec(keyReserve, who(a), key, []byte{}, us(t.now))
		if err != nil || n == 0 {
			return err
		}
		// Numbers are added by the statement: another node may do the same.
		_, err = t.exec(`INSERT INTO usage (org_id, at, requests, errors, latency, running)
			SELECT {json 'org'}, CAST($2 AS bigint), CAST({json 'requests'} AS bigint),
				CAST({json 'errors'} AS bigint), {json 'latency'}, CAST({json 'running'} AS bigint)
			FROM {each $1} j WHERE {true} = {true}
			ON CONFLICT (org_id, at) DO UPDATE SET requests = usage.requests + excluded.requests,
				errors = usage.errors + excluded.errors, latency = {sums latency},
				running = {greatest usage.running, excluded.running}`, string(list), us(at))
		return err
	})
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
func (s *Store) Totals(ctx context.Context, a registry.Actor) (registry.Totals, error) {
	n, err := s.States(ctx, a)
	if err != nil {
		return n, err
	}
	err = s.read.QueryRowContext(ctx, allRows+`SELECT count(*) FROM users`).Scan(&n.Users)
	if err != nil {
		return n, fmt.Errorf("store: %w", err)
	}
	m := s.moment()
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM sessions s WHERE `+m.live(), us(m.now)).Scan(&n.Sessions)
	return n, err
}

// States counts orgs and instances by how they are. For platform admins.
func (s *Store) States(ctx context.Context, a registry.Actor) (n registry.Totals, err error) {
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
	}, allRows+`SELECT o.status, i.state, count(*) FROM orgs o {index orgs_status} JOIN instances i ON i.org_id = o.id WHERE o.status <> 'deleted' GROUP BY o.status, i.state`)
	if err != nil {
		return n, err
	}
	n.Orgs, n.Instances = map[registry.OrgStatus]int{}, map[registry.InstanceState]int{}
	for _, c := range list {
		n.Orgs[c.status] += c.n
		n.Instances[c.state] += c.n
	}
	return n, nil
}
