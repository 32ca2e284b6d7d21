package snapshot_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

// TestSnapshot: what was put in comes out, also by a later start; what is unusable says so, and can be made anew.
func TestSnapshot(t *testing.T) {
	path := newPath(t)
	s := snapshot.Open(path)
	unusable := func() {
		t.Helper()
		if _, err := s.Load(t.Context()); !errors.Is(err, snapshot.ErrNone) {
			t.Fatalf("got %v", err)
		}
		if err := s.Update(t.Context(), registry.Snapshot{}, nil, time.Time{}); err == nil {
			t.Fatal("nothing was there to update")
		}
	}
	unusable()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	create := func() {
		t.Helper()
		if err := s.Create(t.Context(), registry.Snapshot{
			Seq: 7, Contact: at, Keys: []registry.Key{{ID: "k1", Purpose: "session", Private: []byte{1, 2}}},
			Revoked: []registry.Change{{Seq: 5, At: at, Kind: registry.ChangeSessionRevoked, SessionID: "s1"}},
		}, func(yield func(*registry.Route) error) error {
			return errors.Join(yield(&registry.Route{Slug: "acme", Generation: 3, Address: "unix//a"}), yield(&registry.Route{Slug: "beta"}))
		}); err != nil {
			t.Fatal(err)
		}
	}
	create()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if err := s.Update(t.Context(), registry.Snapshot{Seq: 9, Contact: at.Add(time.Second), Revoked: []registry.Change{{Seq: 8, At: at.Add(time.Hour), Kind: registry.ChangeMemberRemoved}}},
		map[string]*registry.Route{"acme": {Slug: "acme", Generation: 4}, "beta": nil, "gamma": {Slug: "gamma"}}, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = snapshot.Open(path)
	got, err := s.Load(t.Context())
	if err != nil || got.Seq != 9 || !got.Contact.Equal(at.Add(time.Second)) || len(got.Keys) != 1 || got.Keys[0].Private[1] != 2 || len(got.Revoked) != 1 || got.Revoked[0].Seq != 8 {
		t.Fatalf("%+v %v", got, err)
	}
	if r, err := s.Route(t.Context(), "acme"); err != nil || r.Generation != 4 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := s.Route(t.Context(), "beta"); err == nil || registry.ErrorCode(err) == registry.CodeNotFound {
		t.Errorf("what is not in a snapshot is unknown, not absent: %v", err)
	}
	failed := errors.New("no more")
	if err := s.Create(t.Context(), registry.Snapshot{Seq: 99}, func(func(*registry.Route) error) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if got, err := s.Load(t.Context()); err != nil || got.Seq != 9 {
		t.Errorf("a failed Create left %+v %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	s = snapshot.Open(path)
	defer func() { _ = s.Close() }()
	unusable()
	create()
	if r, err := s.Route(t.Context(), "acme"); err != nil || r.Generation != 3 {
		t.Errorf("made anew: %+v %v", r, err)
	}
}
