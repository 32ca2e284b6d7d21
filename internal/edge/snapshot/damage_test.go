package snapshot_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

// newPath is where no file is yet: in memory where it can be, since no test asks whether a disk keeps
// what it is given.
func newPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pz")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "snapshot.db")
}

// seen is what a file says.
type seen struct {
	registry.Snapshot
	generations map[string]int64
}

var slugs = []string{"acme", "beta", "gamma", "zeta"}

func see(s *snapshot.File) (v seen, err error) {
	if v.Snapshot, err = s.Load(context.Background()); err != nil {
		return v, err
	}
	v.generations = map[string]int64{}
	for _, slug := range slugs {
		r, err := s.Route(context.Background(), slug)
		switch {
		case err == nil && r.Slug != slug:
			return v, fmt.Errorf("%s for %s", r.Slug, slug)
		case err == nil:
			v.generations[slug] = r.Generation
		case !errors.Is(err, snapshot.ErrNone):
			return v, err
		}
	}
	return v, nil
}

// history is a file as it was after each of some updates, and what it said then.
func history(t *testing.T, path string) (file []byte, then []seen) {
	t.Helper()
	s := snapshot.Open(path)
	defer func() { _ = s.Close() }()
	note := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		v, err := see(s)
		if err != nil {
			t.Fatal(err)
		}
		then = append(then, v)
	}
	revoked := func(seq int64) []registry.Change {
		return []registry.Change{{Seq: seq, At: noon, Kind: registry.ChangeSessionRevoked, SessionID: "s"}}
	}
	note(s.Create(t.Context(), registry.Snapshot{
		Seq: 1, Contact: noon, Keys: []registry.Key{{ID: "k1", Private: []byte{1}}}, Revoked: revoked(1),
	}, func(yield func(*registry.Route) error) error {
		return errors.Join(yield(&registry.Route{Slug: "acme", Generation: 1}),
			yield(&registry.Route{Slug: "beta", Generation: 1}), yield(&registry.Route{Slug: "zeta", Detail: strings.Repeat("z", 600)}))
	}))
	for i, routes := range []map[string]*registry.Route{
		{"acme": {Slug: "acme", Generation: 2}},
		nil,
		{"beta": nil, "gamma": {Slug: "gamma", Generation: 3}},
		{"beta": {Slug: "beta", Generation: 4}, "zeta": nil},
	} {
		seq := int64(i) + 2
		note(s.Update(t.Context(), registry.Snapshot{
			Seq: seq, Contact: noon.Add(time.Duration(i) * time.Second), Revoked: revoked(seq),
		}, routes, noon.Add(-time.Hour)))
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, then
}

// was reports whether a file said v once; with less, or more than v about routes.
func was(then []seen, v seen, less bool) bool {
	for _, w := range then {
		if w.generations = maps.Clone(w.generations); less {
			maps.DeleteFunc(w.generations, func(slug string, _ int64) bool {
				_, is := v.generations[slug]
				return !is
			})
		}
		if reflect.DeepEqual(v, w) {
			return true
		}
	}
	return false
}

// dull reports whether byte i is one of many of the same.
func dull(file []byte, i int) bool { return file[i] == 'z' && i%50 != 0 }

// TestTruncated: a file that ends anywhere, as after a crash, is as it was after some update, or is
// none; and updates go on from there.
func TestTruncated(t *testing.T) {
	path := newPath(t)
	file, then := history(t, path)
	for size := range len(file) {
		if dull(file, size) {
			continue
		}
		left := map[string][]byte{"cut": file[:size]}
		if size%7 == 0 { // it may also be of the right length, without what was to be in it
			left["zeros"] = append(file[:size:size], make([]byte, len(file)-size)...)
			left["rest"] = append(file[:size:size], file[:len(file)-size]...)
		}
		for name, b := range left {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s := snapshot.Open(path)
			v, err := see(s)
			switch {
			case err != nil && !errors.Is(err, snapshot.ErrNone):
				t.Fatalf("%s at %d: %v", name, size, err)
			case err == nil && !was(then, v, false):
				t.Fatalf("%s at %d: it says %+v", name, size, v)
			case err == nil:
				if err := s.Update(t.Context(), registry.Snapshot{Seq: 99, Contact: noon},
					map[string]*registry.Route{"acme": {Slug: "acme", Generation: 9}}, noon); err != nil {
					t.Fatalf("%s at %d: %v", name, size, err)
				}
				_ = s.Close()
				s = snapshot.Open(path)
				after, err := see(s)
				v.generations["acme"] = 9
				if err != nil || after.Seq != 99 || !reflect.DeepEqual(after.generations, v.generations) {
					t.Fatalf("%s at %d, and then: %+v %v", name, size, after, err)
				}
			}
			_ = s.Close()
		}
	}
}

// TestCorrupted: a file with any one byte changed says what it said once, or that it is damaged, or
// nothing of a route.
func TestCorrupted(t *testing.T) {
	path := newPath(t)
	file, then := history(t, path)
	found := 0
	for i := range file {
		if dull(file, i) {
			continue
		}
		file[i] ^= 1
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		file[i] ^= 1
		s := snapshot.Open(path)
		switch v, err := see(s); {
		case err != nil:
			found++
		case !was(then, v, true):
			t.Fatalf("byte %d: it says %+v", i, v)
		}
		_ = s.Close()
	}
	if found == 0 {
		t.Error("no damage was found")
	}
}

// TestFailedUpdate: what an update left behind that could not be written as a whole does not follow
// the next one.
func TestFailedUpdate(t *testing.T) {
	path := newPath(t)
	file, then := history(t, path)
	s := snapshot.Open(path)
	defer func() { _ = s.Close() }()
	update := func(seq int64) int64 {
		t.Helper()
		if err := s.Update(t.Context(), registry.Snapshot{Seq: seq, Contact: noon}, nil, noon); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	size := update(50)
	length := size - int64(len(file))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Its beginning is not there. Its end is a whole update, just where the next one ends.
	left := append(make([]byte, length), whole[len(file):]...)
	if err := os.WriteFile(path, append(whole, left...), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := see(s); err != nil || v.Seq != 50 {
		t.Fatalf("%+v %v", v, err)
	}
	update(51)
	again := snapshot.Open(path)
	defer func() { _ = again.Close() }()
	if v, err := see(again); err != nil || v.Seq != 51 ||
		!reflect.DeepEqual(v.generations, then[len(then)-1].generations) {
		t.Errorf("%+v %v", v, err)
	}
}

// TestLeftBehind: a crash while the file was made anew leaves the old one, and nothing in the way.
func TestLeftBehind(t *testing.T) {
	path := newPath(t)
	_, then := history(t, path)
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := snapshot.Open(path)
	defer func() { _ = s.Close() }()
	if v, err := see(s); err != nil || !reflect.DeepEqual(v, then[len(then)-1]) {
		t.Errorf("%+v %v", v, err)
	}
	if err := s.Create(t.Context(), registry.Snapshot{Seq: 70}, noRoutes); err != nil {
		t.Fatal(err)
	}
	if v, err := see(s); err != nil || v.Seq != 70 || len(v.generations) != 0 {
		t.Errorf("%+v %v", v, err)
	}
}

func noRoutes(func(*registry.Route) error) error { return nil }

// TestCompaction: after many changes the file has its size again, and says the same.
func TestCompaction(t *testing.T) {
	path := newPath(t)
	s := snapshot.Open(path)
	defer func() { _ = s.Close() }()
	const n = 8_000
	slug := func(i int) string { return fmt.Sprintf("org-%06d", i) }
	if err := s.Create(t.Context(), registry.Snapshot{Seq: 1, Contact: noon}, func(yield func(*registry.Route) error) error {
		for i := range n {
			if err := yield(&registry.Route{Slug: slug(2 * i), Generation: 1}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	want := map[string]int64{}
	for i := range n {
		want[slug(2*i)] = 1
	}
	for round := range 20 {
		routes := map[string]*registry.Route{}
		for i := range 2000 {
			name := slug((i*7 + round*1000) % (2 * n))
			if i%5 == 0 {
				routes[name] = nil
				delete(want, name)
				continue
			}
			want[name] = int64(round) + 2
			routes[name] = &registry.Route{Slug: name, Generation: want[name]}
		}
		if err := s.Update(t.Context(), registry.Snapshot{
			Seq: int64(round) + 2, Contact: noon, Keys: []registry.Key{{ID: strconv.Itoa(round)}},
			Revoked: []registry.Change{{Seq: int64(round), At: noon}},
		}, routes, noon); err != nil {
			t.Fatal(err)
		}
	}
	if after := size(); after > 3*before {
		t.Errorf("%d bytes, and %d before", after, before)
	}
	check := func(s *snapshot.File) {
		t.Helper()
		for i := range 2 * n {
			r, err := s.Route(t.Context(), slug(i))
			if g, is := want[slug(i)]; is != (err == nil) || is && (r.Generation != g || r.Slug != slug(i)) {
				t.Fatalf("%s: %+v %v, want %d", slug(i), r, err, g)
			}
		}
		if v, err := s.Load(t.Context()); err != nil || v.Seq != 21 || v.Keys[0].ID != "19" || len(v.Revoked) != 20 {
			t.Errorf("%+v %v", v, err)
		}
	}
	check(s)
	again := snapshot.Open(path)
	defer func() { _ = again.Close() }()
	check(again)
}

// TestKill: a process that is killed while it updates loses nothing that it acknowledged.
func TestKill(t *testing.T) {
	if path := os.Getenv("PIZZERIA_KILL_SNAPSHOT"); path != "" {
		updateUntilKilled(t, path)
	}
	path := newPath(t)
	history(t, path)
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "PIZZERIA_KILL_SNAPSHOT="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + round*7 {
			if !lines.Scan() {
				t.Fatal("it ended by itself")
			}
		}
		_ = cmd.Process.Kill()
		acknowledged := lines.Text()
		for lines.Scan() { // what it said before it was gone
			acknowledged = lines.Text()
		}
		_ = cmd.Wait()
		seq, err := strconv.ParseInt(acknowledged, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot.Open(path)
		v, err := see(s)
		if err != nil || v.Seq < seq || v.generations["acme"] != v.Seq {
			t.Errorf("%d was acknowledged: %+v %v", seq, v, err)
		}
		_ = s.Close()
	}
}

func updateUntilKilled(t *testing.T, path string) {
	s := snapshot.Open(path)
	v, err := see(s)
	if err != nil {
		t.Fatal(err)
	}
	for seq := v.Seq + 1; ; seq++ {
		routes := map[string]*registry.Route{"acme": {Slug: "acme", Generation: seq}}
		if err := s.Update(t.Context(), registry.Snapshot{Seq: seq, Contact: noon}, routes, noon); err != nil {
			t.Fatal(err)
		}
		fmt.Println(seq)
	}
}
