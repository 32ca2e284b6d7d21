package control

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

var (
	auditSeqDesc = prometheus.NewDesc(
		"pizzeria_audit_head_seq",
		"Number of the newest entry of the audit log.",
		nil,
		nil,
	)
	auditHoldsDesc = prometheus.NewDesc(
		"pizzeria_audit_head_valid",
		"Whether the audit log ends and begins as the server left it.",
		nil,
		nil,
	)
	auditHeadDesc = prometheus.NewDesc(
		"pizzeria_audit_head_info",
		"Always 1: number and hash of an entry that was the newest at most five minutes ago.",
		[]string{"seq", "hash"},
		nil,
	)
)

// headEvery is how often the audit log's head leaves the machine when it has moved. It bounds how
// much can be cut off unseen, and how often the metric gets another hash.
const headEvery = 5 * time.Minute

// noteAuditHead lets the audit log's newest entry leave the machine: as a log line, to the
// platform's webhooks, and for the next scrape. Whoever changes the log later cannot change those.
func (c *Control) noteAuditHead(ctx context.Context, first bool) error {
	head, moved, err := c.store.NoteAuditHead(ctx, registry.AsSystem("audit"))
	if registry.ErrorCode(err) == registry.CodeConflict {
		c.Log.Error("audit log changed from outside", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	c.auditHead.Store(&head)
	if moved || first {
		c.Log.Info(registry.AuditHeadLog, "seq", head.Seq, "hash", head.Hash, "epoch", head.Epoch)
	}
	return nil
}

// collectAudit adds the audit log's head to a scrape. The hash is of the head that left last, so that
// it changes at most once in headEvery: each is a series of its own for Prometheus.
func (c *Control) collectAudit(
	ctx context.Context,
	gauge func(*prometheus.Desc, float64, ...string),
) {
	if h := c.auditHead.Load(); h != nil {
		gauge(auditHeadDesc, 1, strconv.FormatInt(h.Seq, 10), h.Hash)
	}
	head, err := c.store.AuditHead(ctx, registry.AsSystem("metrics"))
	if valid := err == nil; valid || registry.ErrorCode(err) == registry.CodeConflict {
		gauge(auditSeqDesc, float64(head.Seq))
		gauge(auditHoldsDesc, map[bool]float64{true: 1}[valid])
	}
}
