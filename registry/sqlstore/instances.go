package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func scanWork(r scanner) (w registry.Work, err error) {
	var may allowance
	err = r.Scan(slices.Concat(instanceFields(&w.Instance), []any{&w.Slug, &w.Status, &w.OrgProvider, &w.PlanProvider}, allowanceFields(&may))...)
	w.Limits = may.all()
	return w, err
}

const workQuery = `SELECT ` + instanceColumns + `, o.slug, o.status, o.provider, COALESCE(p.provider, ''), ` + allowanceColumns + `
	FROM instances i JOIN orgs o ON o.id = i.org_id` + allowanceJoin

// Work returns all instances that are wanted or still there. For the system.
func (s *Store) Work(ctx context.Context, a registry.Actor) ([]registry.Work, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanWork, allRows+workQuery+` WHERE NOT (i.desired = 'absent' AND i.state = 'absent') AND NOT (i.desired = 'stopped' AND i.state = 'stopped')`)
}

// WorkOn returns one org's instance. For the system. Error: CodeNotFound.
func (s *Store) WorkOn(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Work, error) {
	if err := only(a); err != nil {
		return registry.Work{}, err
	}
	return one(ctx, s.read, scanWork, errNoOrg(), workQuery+` WHERE i.org_id = $1`, org)
}

// Acquire leases an org's instance for ttl, unless another holds it. Every new
// lease has a higher token. For the system. Error: CodeConflict.
func (s *Store) Acquire(ctx context.Context, a registry.Actor, org registry.OrgID, ttl time.Duration) (registry.Lease, error) {
	l := registry.Lease{OrgID: org}
	if err := only(a); err != nil {
		return l, err
	}
	err := s.atomic(ctx, a, func(t *writeTx) error {
		l.ExpiresAt = t.now.Add(ttl)
		var err error
		l.Token, err = one(t.ctx, t, func(r scanner) (n int64, err error) {
			err = r.Scan(&n)
			return n, err
		}, registry.Errorf(registry.CodeConflict, "", "another reconciler works on the org"),
			`UPDATE instances SET lease_token = lease_token + 1, lease_until = $2 WHERE org_id = $1 AND lease_until <= $3 RETURNING lease_token`,
			org, us(l.ExpiresAt), us(t.now))
		return err
	})
	return l, err
}

// Renew makes a lease end ttl from now, if it has not ended and nobody else has got one. For the
// system. Error: CodeConflict.
func (s *Store) Renew(
	ctx context.Context, a registry.Actor, l registry.Lease, ttl time.Duration,
) (registry.Lease, error) {
	if err := only(a); err != nil {
		return l, err
	}
	err := s.atomic(ctx, a, func(t *writeTx) error {
		end := t.now.Add(ttl)
		n, err := t.exec(`UPDATE instances SET lease_until = $3
			WHERE org_id = $1 AND lease_token = $2 AND lease_until > $4`,
			l.OrgID, l.Token, us(end), us(t.now))
		if err == nil && n == 0 {
			err = errLeaseLost()
		}
		if err == nil {
			l.ExpiresAt = end
		}
		return err
	})
	return l, err
}

func errLeaseLost() error { return registry.Errorf(registry.CodeConflict, "", "the lease was lost") }

// Release ends a lease early. For the system. A lost lease is no error.
func (s *Store) Release(ctx context.Context, a registry.Actor, l registry.Lease) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`UPDATE instances SET lease_until = 0 WHERE org_id = $1 AND lease_token = $2`, l.OrgID, l.Token)
		return err
	})
}

// Report writes what a reconciler saw of generation gen. A running instance
// makes a provisioning org active; an absent one that is wanted absent makes a
// deleting org deleted and puts its slugs into quarantine. For the system.
// Error: CodeConflict when the lease was lost, the generation is no longer current,
// or the state cannot follow the last one. provider is what runs the generation, "" before one was
// asked to.
func (s *Store) Report(
	ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string,
	r registry.Report,
) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		w, err := t.leased(l, gen)
		if err != nil {
			return err
		}
		if err := w.Instance.State.To(r.State); err != nil {
			return err
		}
		next := reported(w.Instance, provider, r, t.now)
		if err := t.putInstance(l, next); err != nil {
			return err
		}
		if err := t.noteInstance(w); err != nil {
			return err
		}
		return t.follow(w, r.State)
	})
}

// ReplaceInstance gives up on generation gen, which does not respond, and wants
// the next one: whatever else still acts on gen cannot touch that. It counts as
// a failure, and returns the new generation. For the system. Error: CodeConflict, as of Report.
func (s *Store) ReplaceInstance(
	ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string,
	r registry.Report,
) (next registry.Instance, err error) {
	if err := only(a); err != nil {
		return next, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		w, err := t.leased(l, gen)
		if err != nil {
			return err
		}
		if w.Instance.Desired != registry.DesiredRunning {
			return registry.Errorf(registry.CodeConflict, "desired", "the instance is wanted %s",
				w.Instance.Desired)
		}
		if err := w.Instance.State.To(r.State); err != nil {
			return err
		}
		r.Failure = true
		before := w.Instance
		before.Steps = nil
		next = reported(before, provider, r, t.now)
		next.Generation++
		next.Provider, next.Previous = "", next.RunBy()
		err = t.must(`UPDATE orgs SET generation = $2 WHERE id = $1`, l.OrgID, next.Generation)
		if err != nil {
			return err
		}
		if err := t.putInstance(l, next); err != nil {
			return err
		}
		return t.noteInstance(w)
	})
	return next, err
}

// leased returns the instance when the lease and the generation are current.
func (t *tx) leased(l registry.Lease, gen int64) (registry.Work, error) {
	return one(t.ctx, t, scanWork, errLeaseLost(), workQuery+`
		WHERE i.org_id = $1 AND i.lease_token = $2 AND i.generation = $3 AND i.lease_until > $4`,
		l.OrgID, l.Token, gen, us(t.now))
}

func (t *tx) noteInstance(w registry.Work) error {
	return t.note(registry.Change{
		Kind: registry.ChangeInstanceChanged, OrgID: w.Instance.OrgID, Slug: w.Slug,
	})
}

// putInstance stores an instance under a lease: another may have got one since leased looked.
func (t *tx) putInstance(l registry.Lease, i registry.Instance) error {
	if i.Steps == nil {
		i.Steps = []registry.Step{}
	}
	list, err := json.Marshal(i.Steps)
	if err != nil {
		return err
	}
	n, err := t.exec(`UPDATE instances SET generation=$2, state=$3, detail=$4, address=$5,
		provider=$6, previous_provider=$7, failures=$8, steps=$9, changed_at=$10
		WHERE org_id=$1 AND lease_token=$11`,
		i.OrgID, i.Generation, i.State, i.Detail, i.Address,
		i.Provider, i.Previous, i.Failures, string(list), us(i.ChangedAt), l.Token)
	if err == nil && n == 0 {
		err = errLeaseLost()
	}
	return err
}

// maxSteps is how many steps of an instance are kept: the newest.
const maxSteps = 20

// reported is an instance after a report.
func reported(
	i registry.Instance, provider string, r registry.Report, now time.Time,
) registry.Instance {
	gone := r.State == registry.InstanceStopped || r.State == registry.InstanceAbsent
	if gone || i.Recovered(now) {
		i.Failures = 0
	}
	if r.Failure || r.State == registry.InstanceFailed {
		i.Failures++
	}
	if r.State != i.State || r.State == registry.InstanceFailed {
		i.ChangedAt = now // the time to retry counts from each failure
	}
	i.State, i.Detail, i.Address, i.Provider = r.State, r.Detail, r.Address, provider
	if n := len(i.Steps); r.Step != "" && (n == 0 || i.Steps[n-1].Name != r.Step) {
		i.Steps = append(i.Steps, registry.Step{Name: r.Step, At: now})
	}
	i.Steps = i.Steps[max(0, len(i.Steps)-maxSteps):]
	return i
}

// follow moves the org's status after its instance's state.
func (t *tx) follow(w registry.Work, state registry.InstanceState) error {
	id := w.Instance.OrgID
	switch {
	case w.Status == registry.OrgProvisioning && state == registry.InstanceRunning:
		if err := t.must(`UPDATE orgs SET status = $2, updated_at = $3 WHERE id = $1`, id, registry.OrgActive, us(t.now)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgActivated, OrgID: id, Slug: w.Slug}, w.Slug, "")
	case w.Status == registry.OrgDeleting && state == registry.InstanceAbsent:
		if err := t.must(`UPDATE orgs SET status = $2, updated_at = $3, delete_at = 0 WHERE id = $1`, id, registry.OrgDeleted, us(t.now)); err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM links WHERE org_id = $1`, `DELETE FROM memberships WHERE org_id = $1`, `DELETE FROM member_versions WHERE org_id = $1`, `DELETE FROM settings WHERE org_id = $1`,
			`DELETE FROM webhooks WHERE org_id = $1`, `DELETE FROM api_keys WHERE org_id = $1`, `DELETE FROM usage WHERE org_id = $1`,
			`DELETE FROM runners WHERE org_id = $1`, `DELETE FROM runner_claims WHERE org_id = $1`,
			`DELETE FROM support WHERE org_id = $1`, `DELETE FROM quota_warnings WHERE org_id = $1`, `DELETE FROM approvals WHERE org_id = $1`,
			`DELETE FROM heartbeats WHERE org_id = $1`, `DELETE FROM revocations WHERE org_id = $1`,
			`DELETE FROM identities WHERE connection_id IN (SELECT id FROM connections WHERE org_id = $1)`,
			`DELETE FROM connections WHERE org_id = $1`, `DELETE FROM domains WHERE org_id = $1`,
		} {
			if _, err := t.exec(q, id); err != nil {
				return err
			}
		}
		if _, err := t.exec(`UPDATE slugs SET redirect_until = NULL, rests_until = $2 WHERE org_id = $1`, id, us(t.now.Add(registry.Quarantine))); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgDeleted, OrgID: id, Slug: w.Slug}, w.Slug, "")
	}
	return nil
}
