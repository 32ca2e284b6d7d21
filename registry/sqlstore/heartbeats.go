package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// heartbeat scans a heartbeat that may be missing.
type heartbeat struct{ of **registry.Heartbeat }

// Scan implements sql.Scanner.
func (h heartbeat) Scan(v any) error {
	if v == nil {
		return nil
	}
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("heartbeat stored as %T", v)
	}
	*h.of = new(registry.Heartbeat)
	return json.Unmarshal([]byte(text), *h.of)
}

// heartbeatColumn is the last heartbeat of an instance that serves, of this generation.
const heartbeatColumn = `(SELECT h.body FROM heartbeats h WHERE h.org_id = i.org_id
	AND h.generation = i.generation AND i.state IN ('running', 'degraded'))`

// heartbeatSave counts only for the instance that is wanted now.
const heartbeatSave = `INSERT INTO heartbeats (org_id, generation, received_at, body)
	SELECT i.org_id, i.generation, CAST($3 AS BIGINT), $4 FROM instances i
		WHERE i.org_id = $1 AND i.generation = $2 AND i.desired = 'running'
	ON CONFLICT (org_id) DO UPDATE SET generation = excluded.generation,
		received_at = excluded.received_at, body = excluded.body
	WHERE heartbeats.generation <> excluded.generation
		OR heartbeats.received_at <= excluded.received_at`

const generationQuery = `SELECT generation FROM instances
	WHERE org_id = $1 AND desired = 'running'`

// WantedGeneration returns the number of the instance that an org is to have now. It is asked for
// each heartbeat that is pushed, and so reads nothing else. For the system. Error: CodeNotFound when
// the org is to have none.
func (s *Store) WantedGeneration(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) (int64, error) {
	if err := only(a); err != nil {
		return 0, err
	}
	var n int64
	err := s.hotRow(ctx, generationQuery, org).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errNoOrg()
	}
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	return n, nil
}

// SaveHeartbeats keeps heartbeats in place of the instances' last ones. Those of other generations
// than the one that is wanted now, and older ones, are left out. Not a registry change: no feed
// entry. For the system.
func (s *Store) SaveHeartbeats(
	ctx context.Context, a registry.Actor, list []registry.Heartbeat,
) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, h := range list {
			body, err := json.Marshal(h)
			if err != nil {
				return err
			}
			_, err = t.exec(heartbeatSave, h.OrgID, h.Generation, us(h.ReceivedAt), string(body))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Heartbeats returns the last heartbeat of each instance that serves, by org. For the system.
func (s *Store) Heartbeats(
	ctx context.Context, a registry.Actor,
) ([]registry.Heartbeat, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, func(r scanner) (v registry.Heartbeat, err error) {
		h := &v
		err = r.Scan(heartbeat{&h})
		return *h, err
	}, `SELECT h.body FROM heartbeats h JOIN instances i
		ON i.org_id = h.org_id AND i.generation = h.generation
		WHERE i.state IN ('running', 'degraded') ORDER BY h.org_id`)
}
