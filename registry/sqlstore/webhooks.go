package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const webhookQuery = `SELECT w.id, w.org_id, w.url, w.events, w.active, w.created_by, w.created_at, w.sealed FROM webhooks w`

type kinds []registry.ChangeKind

// Scan implements sql.Scanner.
func (k *kinds) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("events stored as %T", v)
	}
	return json.Unmarshal([]byte(text), k)
}

func scanWebhook(r scanner) (w registry.Webhook, err error) {
	err = r.Scan(&w.ID, &w.OrgID, &w.URL, (*kinds)(&w.Events), &w.Active, &w.CreatedBy, (*micros)(&w.CreatedAt), &w.Sealed)
	return w, err
}

const deliveryQuery = `SELECT d.id, d.webhook_id, d.event, d.state, d.attempts, d.status, d.error, d.created_at, d.tried_at, d.next_at, d.body FROM deliveries d`

func deliveryFields(d *registry.Delivery) []any {
	return []any{&d.ID, &d.WebhookID, &d.Event, &d.State, &d.Attempts, &d.Status, &d.Error, (*micros)(&d.CreatedAt), (*micros)(&d.TriedAt), (*micros)(&d.NextAt), &d.Body}
}

func scanDelivery(r scanner) (d registry.Delivery, err error) {
	err = r.Scan(deliveryFields(&d)...)
	return d, err
}

func errNoWebhook() error { return registry.Errorf(registry.CodeNotFound, "", "no such webhook") }

// CreateWebhook makes a webhook of an org, or with "" of the platform; its
// secret comes sealed. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict (WebhooksMax).
func (s *Store) CreateWebhook(ctx context.Context, a registry.Actor, w registry.Webhook) (registry.Webhook, error) {
	err := s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(w.OrgID, registry.ActionWebhookManage); err != nil {
			return err
		}
		if err := registry.CheckWebhook(w.OrgID, w.URL, w.Events); err != nil {
			return err
		}
		var n int
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM webhooks WHERE org_id = $1`, w.OrgID).Scan(&n); err != nil {
			return err
		}
		if n >= registry.WebhooksMax {
			return registry.Errorf(registry.CodeConflict, "", "there are %d webhooks already: delete one that is not used", n).Because(registry.ReasonLimitReached)
		}
		if w.Events == nil {
			w.Events = []registry.ChangeKind{}
		}
		w.Active, w.CreatedBy, w.CreatedAt = true, a.Name(), t.now
		events, err := json.Marshal(w.Events)
		if err != nil {
			return err
		}
		if err := t.must(`INSERT INTO webhooks (id, org_id, url, events, sealed, active, created_by, created_at) VALUES ($1,$2,$3,$4,$5,{true},$6,$7)`,
			w.ID, w.OrgID, w.URL, string(events), w.Sealed, w.CreatedBy, us(t.now)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeWebhookCreated, OrgID: w.OrgID}, w.URL, "")
	})
	return w, err
}

// Webhooks returns the webhooks of an org, or with "" of the platform, oldest first.
func (s *Store) Webhooks(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Webhook, error) {
	if _, err := s.either(ctx, a, org, registry.ActionWebhookRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanWebhook, webhookQuery+` WHERE w.org_id = $1 ORDER BY w.id`, org)
}

// onWebhook runs f with a webhook of the org when the actor may manage it.
func (s *Store) onWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, f func(*tx, registry.Webhook) error) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(org, registry.ActionWebhookManage); err != nil {
			return err
		}
		w, err := one(t.ctx, t, scanWebhook, errNoWebhook(), webhookQuery+` WHERE w.id = $1 AND w.org_id = $2`, id, org)
		if err != nil {
			return err
		}
		return f(t, w)
	})
}

// UpdateWebhook changes a webhook. Errors: CodeForbidden, CodeNotFound, CodeInvalid, CodeVersionConflict.
func (s *Store) UpdateWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, change registry.WebhookChange) error {
	return s.onWebhook(ctx, a, org, id, func(t *tx, w registry.Webhook) error {
		if err := registry.CheckVersion(change.Version, w.Version()); err != nil {
			return err
		}
		if change.URL != nil {
			w.URL = *change.URL
		}
		if change.Events != nil {
			w.Events = *change.Events
		}
		if change.Active != nil {
			w.Active = *change.Active
		}
		if err := registry.CheckWebhook(w.OrgID, w.URL, w.Events); err != nil {
			return err
		}
		b, err := json.Marshal(w.Events)
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE webhooks SET url = $2, events = $3, active = $4 WHERE id = $1`, id, w.URL, string(b), w.Active); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeWebhookChanged, OrgID: org}, w.URL, map[bool]string{true: "", false: "not active"}[w.Active])
	})
}

// DeleteWebhook ends a webhook; what it was not told yet it is not told any more.
func (s *Store) DeleteWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error {
	return s.onWebhook(ctx, a, org, id, func(t *tx, w registry.Webhook) error {
		if err := t.must(`DELETE FROM webhooks WHERE id = $1`, id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeWebhookDeleted, OrgID: org}, w.URL, "")
	})
}

var deliveryOrders = map[string]order[registry.Delivery]{
	"id": {column: "d.id", value: func(d registry.Delivery) any { return d.ID }},
}

// Deliveries returns a page of a webhook's log, newest first.
func (s *Store) Deliveries(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, l registry.List) (registry.Page[registry.Delivery], error) {
	if _, err := s.either(ctx, a, org, registry.ActionWebhookRead); err != nil {
		return registry.Page[registry.Delivery]{}, err
	}
	if _, err := one(ctx, s.read, scanWebhook, errNoWebhook(), webhookQuery+` WHERE w.id = $1 AND w.org_id = $2`, id, org); err != nil {
		return registry.Page[registry.Delivery]{}, err
	}
	q := new(query)
	q.add(deliveryQuery+` WHERE d.webhook_id = ?`, id)
	return page(ctx, s.read, q, l, deliveryOrders, "-id", scanDelivery)
}

// ReplayDelivery sends a message again, with the same ID.
func (s *Store) ReplayDelivery(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, delivery string) error {
	return s.onWebhook(ctx, a, org, id, func(t *tx, _ registry.Webhook) error {
		// Without a claim, so that the result of a try under way does not take the place of this.
		n, err := t.exec(`UPDATE deliveries SET state = 'pending', attempts = 0, next_at = $3, claimed_until = 0
			WHERE id = $1 AND webhook_id = $2`, delivery, id, us(t.now))
		if err == nil && n == 0 {
			return registry.Errorf(registry.CodeNotFound, "", "no such delivery, or it is older than %d days", int(registry.DeliveryLife.Hours()/24))
		}
		t.wakes = true // wakes the sender
		return err
	})
}

// TestWebhook sends a webhook a message that means nothing.
func (s *Store) TestWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error {
	return s.onWebhook(ctx, a, org, id, func(t *tx, w registry.Webhook) error {
		t.wakes = true
		return t.deliver(w, registry.Change{At: t.now, Kind: registry.ChangeWebhookTest, OrgID: org})
	})
}

// deliver makes a message to a webhook, due now. An org's does not learn how many changes there are
// of others.
func (t *tx) deliver(w registry.Webhook, c registry.Change) error {
	if w.OrgID != "" {
		c.Seq = 0
	}
	body, err := json.Marshal(map[string]any{"type": c.Kind, "timestamp": c.At.UTC().Format(time.RFC3339Nano), "data": c})
	if err != nil {
		return err
	}
	return t.send(w, c.Kind, body)
}

func (t *tx) send(w registry.Webhook, event registry.ChangeKind, body []byte) error {
	return t.must(`INSERT INTO deliveries (id, webhook_id, event, body, state, created_at, next_at) VALUES ($1,$2,$3,$4,'pending',$5,$5)`,
		registry.NewID(), w.ID, event, string(body), us(t.now))
}

// wants reports whether a webhook is told of an event.
func wants(w registry.Webhook, event registry.ChangeKind) bool {
	return len(w.Events) == 0 || slices.Contains(w.Events, event)
}

// SpreadChanges makes a message of every change since the last call for every
// active webhook that wants it, and forgets old ones. For the system.
func (s *Store) SpreadChanges(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	for {
		more := false
		err := s.recording(ctx, a, func(t *tx) error {
			var seq string
			if err := t.QueryRowContext(t.ctx, `SELECT value FROM meta WHERE key = 'webhooks_seq'`).Scan(&seq); err != nil {
				return err
			}
			after, err := strconv.ParseInt(seq, 10, 64)
			if err != nil {
				return err
			}
			var head int64
			if err := t.QueryRowContext(t.ctx, `SELECT seq FROM feed_head`).Scan(&head); err != nil {
				return err
			}
			if after > head { // of a feed that was longer: what follows would be told to nobody
				return t.must(`UPDATE meta SET value = $1 WHERE key = 'webhooks_seq'`, strconv.FormatInt(head, 10))
			}
			changes, err := collect(t.ctx, t, scanChange, `SELECT `+changeColumns+` FROM feed WHERE seq > $1 ORDER BY seq LIMIT 500`, after)
			if err != nil || len(changes) == 0 {
				return err
			}
			hooks := map[registry.OrgID][]registry.Webhook{}
			for _, c := range changes {
				for _, org := range slices.Compact([]registry.OrgID{"", c.OrgID}) {
					if _, ok := hooks[org]; !ok {
						if hooks[org], err = collect(t.ctx, t, scanWebhook, webhookQuery+` WHERE w.org_id = $1 AND w.active = {true}`, org); err != nil {
							return err
						}
					}
					for _, w := range hooks[org] {
						// A webhook hears of nothing from before it was there.
						if wants(w, c.Kind) && !c.At.Before(w.CreatedAt) {
							if err := t.deliver(w, c); err != nil {
								return err
							}
						}
					}
				}
			}
			more = len(changes) == 500
			return t.must(`UPDATE meta SET value = $1 WHERE key = 'webhooks_seq'`, strconv.FormatInt(changes[len(changes)-1].Seq, 10))
		})
		if err != nil || !more {
			return err
		}
	}
}

// ClaimDeliveries returns up to limit messages that are due, oldest first, and one of each webhook, so
// that a slow address holds up its own alone. Nobody else gets them, or others of their webhooks,
// before registry.ClaimLife has passed, or they are reported or released. For the system.
func (s *Store) ClaimDeliveries(
	ctx context.Context, a registry.Actor, limit int,
) (list []registry.Task, err error) {
	if err := only(a); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	if none, err := s.none(ctx, `SELECT 1`+dueFrom+dueWhere, us(s.now())); none || err != nil {
		return nil, err
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		list, err = t.claimDeliveries(limit)
		return err
	})
	return list, err
}

const (
	dueFrom  = ` FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id`
	dueWhere = ` WHERE d.state = 'pending' AND d.next_at <= $1 AND w.active = {true} AND NOT EXISTS (SELECT 1 FROM deliveries c
		WHERE c.webhook_id = d.webhook_id AND c.claimed_until > 0 AND c.claimed_until > $1)`
)

// claimDeliveries first keeps others away from the webhooks. Only a statement after that sees what
// they had claimed until then.
func (t *writeTx) claimDeliveries(limit int) (list []registry.Task, err error) {
	hooks, err := collect(t.ctx, t, func(r scanner) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	}, `SELECT w.id`+dueFrom+dueWhere+` ORDER BY d.next_at LIMIT $2 {lock w}`, us(t.now), 4*limit)
	if err != nil || len(hooks) == 0 {
		return nil, err
	}
	locked, err := json.Marshal(hooks)
	if err != nil {
		return nil, err
	}
	waiting, err := collect(t.ctx, t, scanTask, strings.Replace(
		deliveryQuery, " FROM deliveries d", ", w.org_id, w.url, w.sealed"+dueFrom, 1,
	)+dueWhere+` AND w.id IN (SELECT j.value FROM {each $3} j) ORDER BY d.next_at LIMIT $2`,
		us(t.now), 4*limit, string(locked))
	if err != nil {
		return nil, err
	}
	seen := map[registry.WebhookID]bool{}
	ids, until := []string{}, t.now.Add(registry.ClaimLife)
	for _, w := range waiting {
		if seen[w.WebhookID] || len(list) == limit {
			continue
		}
		seen[w.WebhookID] = true
		w.ClaimedUntil = until
		list, ids = append(list, w), append(ids, w.ID)
	}
	claimed, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	_, err = t.exec(`UPDATE deliveries SET claimed_until = $1
		WHERE id IN (SELECT j.value FROM {each $2} j)`, us(until), string(claimed))
	return list, err
}

func scanTask(r scanner) (t registry.Task, err error) {
	err = r.Scan(append(deliveryFields(&t.Delivery), &t.OrgID, &t.URL, &t.Sealed)...)
	return t, err
}

// ReleaseDelivery gives a claimed message back without a try. For the system. A lost claim is no
// error.
func (s *Store) ReleaseDelivery(ctx context.Context, a registry.Actor, m registry.Task) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`UPDATE deliveries SET claimed_until = 0 WHERE id = $1 AND claimed_until = $2`,
			m.ID, us(m.ClaimedUntil))
		return err
	})
}

// ReportDelivery notes how a try went; next is when it is tried again, zero for
// never. Not a registry change: no feed entry. For the system. Error: CodeConflict when the claim was
// lost.
func (s *Store) ReportDelivery(
	ctx context.Context, a registry.Actor, m registry.Task, status int, failure string,
	next time.Time,
) error {
	if err := only(a); err != nil {
		return err
	}
	state := registry.DeliveryDone
	switch {
	case failure != "" && next.IsZero():
		state = registry.DeliveryGivenUp
	case failure != "":
		state = registry.DeliveryPending
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		return t.claimed(`UPDATE deliveries SET state = $3, attempts = attempts + 1, status = $4,
			error = $5, tried_at = $6, next_at = $7, claimed_until = 0
			WHERE id = $1 AND claimed_until = $2`,
			m.ID, us(m.ClaimedUntil), state, status, failure, us(t.now), us(next))
	})
}
