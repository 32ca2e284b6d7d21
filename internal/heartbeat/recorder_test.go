package heartbeat

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestRecorderKeepsWhatItCannotWrite: the newest of each instance, until the store is there; and the
// last ones are written when it ends.
func TestRecorderKeepsWhatItCannotWrite(t *testing.T) {
	location := sqlite.File(filepath.Join(t.TempDir(), "test.db"))
	s, err := location.Open(new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w := &world{T: t}
	r := NewRecorder(s, slog.New(slog.DiscardHandler), time.Now)
	beat := func(org registry.OrgID, memory int64) {
		r.Add(registry.Heartbeat{OrgID: org, Generation: 1, Memory: memory})
	}
	beat("late", 1)
	if err := r.write(t.Context()); err == nil {
		t.Fatal("written to a store that is away")
	}
	beat("late", 2)
	if err := r.write(t.Context()); err == nil || len(r.last) != 1 || r.last["late"].Memory != 2 {
		t.Fatalf("%v %+v", err, r.last)
	}
	r.putBack([]registry.Heartbeat{{OrgID: "late", Memory: 1}}) // a newer one came meanwhile
	if r.last["late"].Memory != 2 {
		t.Errorf("%+v", r.last)
	}
	w.ok(s.Connect(t.Context()))
	o, err := s.CreateOrg(t.Context(), registry.AsOperator(), registry.NewOrg{Slug: "acme"})
	w.ok(err)
	l, err := s.Acquire(t.Context(), system, o.ID, time.Minute)
	w.ok(err)
	w.ok(s.Report(t.Context(), system, l, 1, "test", registry.Report{State: registry.InstanceRunning}))
	w.ok(r.write(t.Context()))
	if len(r.last) != 0 {
		t.Errorf("kept: %+v", r.last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	beat(o.ID, 3)
	r.Run(ctx)
	list, err := s.Heartbeats(t.Context(), system)
	w.ok(err)
	if len(list) != 1 || list[0].Memory != 3 {
		t.Errorf("%+v", list)
	}
}
