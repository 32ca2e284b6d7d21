package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// ErrNone says that there is no snapshot, or none that can be used.
var ErrNone = errors.New("there is no snapshot")

// A file is written as a whole again when more routes changed than manyChanged and a tenth of all,
// or when what changed takes more room than manyBytes and the rest.
const (
	manyChanged = 10_000
	manyBytes   = 1 << 20
)

// File is a snapshot on disk.
type File struct {
	path    string
	writing sync.Mutex // one Create or Update at a time

	mu  sync.RWMutex // of what follows
	c   *content     // nil: none that can be used
	why error        // then
}

// Open opens the file at path, which need not be there.
func Open(path string) *File {
	s := &File{path: path}
	s.c, s.why = openPath(path)
	return s
}

func openPath(path string) (*content, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f, err = os.Open(path) // for reading it is good enough
	}
	if err != nil {
		return nil, err
	}
	return open(f)
}

// Close closes the file.
func (s *File) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		return nil
	}
	c := s.c
	s.c, s.why = nil, os.ErrClosed
	return c.f.Close()
}

// Load returns what is in the file beside the routes. ErrNone: nothing that can be used.
func (s *File) Load(ctx context.Context) (out registry.Snapshot, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.c == nil {
		return out, errors.Join(ErrNone, s.why)
	}
	if out, err = s.c.load(); err != nil {
		return out, errors.Join(ErrNone, err)
	}
	return out, ctx.Err()
}

// Route returns the route of a slug. What is not in the file is an error, and not CodeNotFound:
// nobody knows.
func (s *File) Route(_ context.Context, slug string) (*registry.Route, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.c == nil {
		return nil, errors.Join(ErrNone, s.why)
	}
	b, err := s.c.route(slug)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if b == nil {
		return nil, fmt.Errorf("%w of the route", ErrNone)
	}
	r := new(registry.Route)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return r, nil
}

// Create makes the file anew, with the routes that each yields, every one once; all of it or, on
// an error, the file as it was.
func (s *File) Create(
	ctx context.Context, c registry.Snapshot, each func(yield func(*registry.Route) error) error,
) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.create(c, func(yield func(string, []byte) error) error {
		return each(func(r *registry.Route) error {
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			return errors.Join(ctx.Err(), yield(r.Slug, b))
		})
	})
}

func (s *File) create(
	c registry.Snapshot, each func(yield func(string, []byte) error) error,
) error {
	next := s.path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("snapshot: %w", err)
	}
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	err = write(f, state{Seq: c.Seq, Contact: c.Contact, Keys: c.Keys, Revoked: c.Revoked}, each)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("snapshot: %w", errors.Join(err, os.Remove(next)))
	}
	return s.replace(next)
}

// replace puts the file next in the place of this one.
func (s *File) replace(next string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		_ = s.c.f.Close() // before: not every system renames onto an open file
	}
	err := os.Rename(next, s.path)
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	s.c, s.why = openPath(s.path)
	if err = errors.Join(err, s.why); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Update adds what changed: routes by slug (nil: there is none any more), the
// keys when there are any, and revocations; those of before old are dropped.
func (s *File) Update(
	ctx context.Context, c registry.Snapshot, routes map[string]*registry.Route, old time.Time,
) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var b []byte
	starts := map[string]int64{}
	for slug, r := range routes {
		starts[slug] = removed
		if r == nil {
			b = appendRecord(b, kindRemoved, []byte(slug))
			continue
		}
		route, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		starts[slug] = int64(len(b))
		b = routeRecord(b, slug, route)
	}
	last, err := json.Marshal(state{
		Seq: c.Seq, Contact: c.Contact, Keys: c.Keys, Revoked: c.Revoked, Old: old,
	})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := errors.Join(ctx.Err(), s.append(appendRecord(b, kindState, last), starts)); err != nil {
		return err
	}
	return s.compact()
}

// append writes an update, whose routes begin at starts in it.
func (s *File) append(b []byte, starts map[string]int64) error {
	s.mu.RLock()
	c, why := s.c, s.why // nobody else replaces it meanwhile
	s.mu.RUnlock()
	if c == nil {
		return errors.Join(ErrNone, why)
	}
	// What a crash or a full disk left behind the end must not follow what is written now.
	err := c.f.Truncate(c.end)
	if err == nil {
		_, err = c.f.WriteAt(b, c.end)
	}
	if err == nil {
		err = c.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for slug, at := range starts {
		if at != removed {
			at += c.end
		}
		c.changed[slug] = at
	}
	c.end += int64(len(b))
	return nil
}

// compact writes the file as a whole again when much changed.
func (s *File) compact() error {
	s.mu.RLock()
	c := s.c // nobody else replaces it meanwhile
	s.mu.RUnlock()
	if int64(len(c.changed)) <= max(manyChanged, c.slots/20) && c.end-c.log() <= max(manyBytes, c.index) {
		return nil
	}
	all, err := c.load()
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return s.create(all, c.all)
}
