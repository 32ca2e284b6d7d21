package control

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestDisableDormant: accounts are disabled after as long as the operator says, and never without.
func TestDisableDormant(t *testing.T) {
	const day = 24 * time.Hour
	past := func() time.Time { return time.Now().Add(-60 * day) }
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), new(identity.MasterKey), past)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	u, err := store.CreateUser(t.Context(), registry.AsOperator(), registry.NewUser{
		Email: "eve@example.com", Name: "Eve", PasswordHash: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var now Tunables
	c := &Control{store: store, Config: Config{Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(&out, nil)), Tunables: func() *Tunables { return &now },
	}}
	for after, want := range map[time.Duration]bool{0: false, 90 * day: false, 30 * day: true} {
		if _, err := store.EnableUser(t.Context(), registry.AsOperator(), u.ID); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		now.DisableDormant = after
		if err := c.disableDormant(t.Context()); err != nil {
			t.Fatal(err)
		}
		u, err := store.User(t.Context(), registry.AsOperator(), u.ID)
		if err != nil || u.Disabled() != want || strings.Contains(out.String(), "dormant accounts disabled") != want {
			t.Errorf("after %s: %+v %v %s", after, u, err, &out)
		}
	}
}
