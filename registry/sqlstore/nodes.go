package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const nodeReportsQuery = `SELECT node, at, counts, state FROM node_reports WHERE at > $1 AND node <> $2
	ORDER BY at`

// stateLife is how old a state may be that a report replaces. An older one is not looked for.
const stateLife = 10 * time.Minute

// ReportNode implements registry.NodeStore. For the system.
func (s *Store) ReportNode(ctx context.Context, a registry.Actor, r registry.NodeReport) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`DELETE FROM node_reports WHERE at < $1`, us(t.now.Add(-registry.NodeReportLife)))
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE node_reports SET state = '' WHERE at >= $1 AND node = $2 AND state <> ''`,
			us(t.now.Add(-stateLife)), r.Node)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO node_reports (at, node, counts, state) VALUES ($1, $2, $3, $4)`,
			us(t.now), r.Node, string(r.Counts), string(r.State))
		return err
	})
}

// NodeReports implements registry.NodeStore. For the system.
func (s *Store) NodeReports(
	ctx context.Context, a registry.Actor, node string, after time.Time,
) ([]registry.NodeReport, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, func(row scanner) (r registry.NodeReport, err error) {
		err = row.Scan(&r.Node, (*micros)(&r.At), &r.Counts, &r.State)
		return r, err
	}, nodeReportsQuery, us(after), node)
}

// SessionUses implements registry.NodeStore. For the system.
func (s *Store) SessionUses(
	_ context.Context, a registry.Actor, after time.Time,
) (list []registry.SessionUse, err error) {
	if err := only(a); err != nil {
		return nil, err
	}
	for _, u := range s.uses.at.Keys() {
		if at, ok := s.uses.at.Peek(u); ok && at.After(after) {
			list = append(list, registry.SessionUse{Session: u.session, Org: u.org, At: at})
		}
	}
	return list, nil
}
