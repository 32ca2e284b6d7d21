package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// between lets something happen just before a statement reaches the server, once it is armed.
type between struct {
	before string // is in the statement
	once   *sync.Once
	do     func()
}

// TraceQueryStart implements pgx.QueryTracer.
func (b *between) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	if b.once != nil && strings.Contains(data.SQL, b.before) {
		b.once.Do(b.do)
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*between) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (b *between) TraceBatchStart(
	ctx context.Context, c *pgx.Conn, data pgx.TraceBatchStartData,
) context.Context {
	for _, q := range data.Batch.QueuedQueries {
		ctx = b.TraceQueryStart(ctx, c, pgx.TraceQueryStartData{SQL: q.SQL})
	}
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (*between) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (*between) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// twoNodes are two on one database. Of the first one's statements b can see that with before in it.
func twoNodes(t *testing.T, before string) (first, second *postgres.Store, b *between) {
	t.Helper()
	url := postgrestest.Database(t)
	b = &between{before: before}
	first = openAt(t, at(t, url).Node("a").Traced(b), time.Now)
	return first, openNode(t, url, "b", time.Now), b
}

func (b *between) arm(do func()) { b.once, b.do = new(sync.Once), do }

// TestKeyGivenBack: an idempotency key that another node gives back while this one looks at it is
// free.
func TestKeyGivenBack(t *testing.T) {
	t.Parallel()
	a, b, hook := twoNodes(t, "SELECT request, answer FROM idempotency")
	begin := func(s *postgres.Store) error {
		answer, err := s.BeginIdempotent(t.Context(), operator, "key", registry.Hash{1})
		if answer != nil {
			t.Errorf("it has the answer %q", answer)
		}
		return err
	}
	if err := begin(b); err != nil {
		t.Fatal(err)
	}
	given := false
	hook.arm(func() {
		given = true
		if err := b.FinishIdempotent(t.Context(), operator, "key", nil); err != nil {
			t.Error(err)
		}
	})
	if err := begin(a); err != nil || !given {
		t.Errorf("%v, given back: %v", err, given)
	}
	if err := begin(b); registry.ErrorCode(err) != registry.CodeConflict {
		t.Errorf("two have it: %v", err)
	}
}

// TestOneOfEachWebhook: while a node claims a message of a webhook, others claim none of it.
func TestOneOfEachWebhook(t *testing.T) {
	t.Parallel()
	a, b, hook := twoNodes(t, "UPDATE deliveries SET claimed_until")
	_, err := b.CreateWebhook(t.Context(), operator, registry.Webhook{
		ID: "w", URL: "https://example.com", Sealed: []byte("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.TestWebhook(t.Context(), operator, "", "w"); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(s *postgres.Store) []registry.Task {
		list, err := s.ClaimDeliveries(t.Context(), system, 10)
		if err != nil {
			t.Error(err)
		}
		return list
	}
	asked := false
	hook.arm(func() {
		asked = true
		// Another that is done with the first message takes the next.
		for _, task := range claim(b) {
			err := b.ReportDelivery(t.Context(), system, task, 200, "", time.Time{})
			if err != nil {
				t.Error(err)
			}
			t.Errorf("message %s was sent meanwhile, and %d are claimed", task.ID, len(claim(b)))
		}
	})
	first := claim(a)
	if len(first) != 1 || !asked {
		t.Fatalf("%+v, asked: %v", first, asked)
	}
	if list := claim(b); len(list) != 0 {
		t.Errorf("another is under way: %+v", list)
	}
	if err := a.ReportDelivery(t.Context(), system, first[0], 200, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if list := claim(b); len(list) != 1 || list[0].ID == first[0].ID {
		t.Errorf("after the first: %+v", list)
	}
}

// TestLeaseLostMeanwhile: a node whose lease goes to another in the midst of its report changes
// nothing.
func TestLeaseLostMeanwhile(t *testing.T) {
	t.Parallel()
	a, b, hook := twoNodes(t, "UPDATE instances SET generation")
	o := create(t, a, "acme")
	l, err := a.Acquire(t.Context(), system, o.ID, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	taken := false
	hook.arm(func() {
		taken = true
		if err := b.Release(t.Context(), system, l); err != nil {
			t.Error(err)
		}
		if _, err := b.Acquire(t.Context(), system, o.ID, time.Minute); err != nil {
			t.Error(err)
		}
	})
	report := registry.Report{State: registry.InstanceStarting, Detail: "late"}
	err = a.Report(t.Context(), system, l, 1, "test", report)
	if registry.ErrorCode(err) != registry.CodeConflict || !taken {
		t.Errorf("%v, taken: %v", err, taken)
	}
	w, err := b.WorkOn(t.Context(), system, o.ID)
	if err != nil || w.Instance.State != registry.InstancePending {
		t.Errorf("%+v %v", w.Instance, err)
	}
}
