package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// NoteAuditHead tells the platform's webhooks the newest entry of the audit log, unless they were
// told of that one already. It is in neither log nor feed: it would move the head that it tells of.
// For the system. Error: CodeConflict when the log does not end or begin as the server left it.
func (s *Store) NoteAuditHead(
	ctx context.Context,
	a registry.Actor,
) (head registry.AuditHead, moved bool, err error) {
	if err := only(a); err != nil {
		return head, false, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		moved = false
		if err := t.ends(); err != nil {
			return err
		}
		state := t.log
		if why := t.keys.fault(state); why != "" {
			return registry.Errorf(registry.CodeConflict, "", "%s", why).Because(registry.ReasonAuditLogChanged)
		}
		head = state.AuditHead
		n, err := t.exec(`INSERT INTO meta (key, value) VALUES ('audit_head_noted', $1)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value`,
			head.String())
		if err != nil || n == 0 {
			return err
		}
		moved = true
		return t.tellHead(head)
	})
	return head, moved, err
}

func (t *tx) tellHead(head registry.AuditHead) error {
	hooks, err := collect(
		t.ctx,
		t,
		scanWebhook,
		webhookQuery+` WHERE w.org_id = '' AND w.active = {true}`,
	)
	if err != nil {
		return err
	}
	for _, w := range hooks {
		if !wants(w, registry.ChangeAuditHead) {
			continue
		}
		body, err := json.Marshal(map[string]any{
			"type": registry.ChangeAuditHead, "timestamp": t.now.UTC().Format(time.RFC3339Nano),
			"data": head,
		})
		if err != nil {
			return err
		}
		if err := t.send(w, registry.ChangeAuditHead, body); err != nil {
			return err
		}
		t.wakes = true // wakes the sender
	}
	return nil
}
