package edge

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/registry"
)

// Directory is the gateway's view of routes: a bounded cache before a RouteSource, kept true by the
// change feed. While the source is away a copy of it answers, when there is one; what it says is
// soon asked of the source again. Unknown slugs have a bounded cache of their own, so that a flood
// of them neither evicts orgs nor reaches the source twice. Memory does not grow with the number of
// orgs.
type Directory struct {
	source  origin.RouteSource
	copied  origin.RouteSource // may be nil
	now     func() time.Time
	away    atomic.Int64 // Unix nanoseconds: until then the source is not asked where the copy can answer
	routes  *lru.Cache[string, cachedRoute]
	unknown *lru.Cache[string, time.Time]
	flight  singleflight.Group
	epoch   atomic.Int64 // rises with every change; a load that overlaps one is not kept
}

type cachedRoute struct {
	route *registry.Route
	until time.Time // zero: until a change says otherwise
}

const (
	unknownLife = 10 * time.Second
	// A route that is not served can change with the clock alone (redirects and quarantines end).
	unservedLife = time.Minute
	// What a copy says may be behind, and nobody says by how much.
	copiedLife  = 5 * time.Second
	loadTimeout = 5 * time.Second
)

// NewDirectory makes a Directory that remembers at most size routes, and as many
// unknown slugs. copied answers while source cannot; it may be nil.
func NewDirectory(source, copied origin.RouteSource, size int, now func() time.Time) (*Directory, error) {
	routes, err := lru.New[string, cachedRoute](size)
	if err != nil {
		return nil, err
	}
	unknown, err := lru.New[string, time.Time](size)
	if err != nil {
		return nil, err
	}
	return &Directory{source: source, copied: copied, now: now, routes: routes, unknown: unknown}, nil
}

// Lookup returns the route of a slug, from memory when it is known. Errors:
// CodeNotFound; anything else means that the source could not answer.
func (d *Directory) Lookup(ctx context.Context, slug string) (*registry.Route, error) {
	if c, ok := d.routes.Get(slug); ok && (c.until.IsZero() || d.now().Before(c.until)) {
		return c.route, nil
	}
	if until, ok := d.unknown.Get(slug); ok && d.now().Before(until) {
		return nil, errUnknownSlug(slug)
	}
	ch := d.flight.DoChan(slug, func() (any, error) { return d.load(slug) })
	select {
	case r := <-ch:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*registry.Route), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load asks the source on behalf of everybody who waits, so no single request's context ends it.
func (d *Directory) load(slug string) (*registry.Route, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	epoch := d.epoch.Load()
	if d.now().UnixNano() < d.away.Load() {
		if r, err := d.copy(ctx, slug, epoch); err == nil {
			return r, nil
		}
	}
	r, err := d.source.Route(ctx, slug)
	switch {
	case registry.ErrorCode(err) == registry.CodeNotFound:
		if d.epoch.Load() == epoch {
			d.unknown.Add(slug, d.now().Add(unknownLife))
		}
		return nil, err
	case err != nil:
		d.away.Store(d.now().Add(copiedLife).UnixNano())
		if r, err := d.copy(context.Background(), slug, epoch); err == nil {
			return r, nil
		}
		return nil, err
	}
	c := cachedRoute{route: r.Packed()}
	if r.Status != registry.RouteServing {
		c.until = d.now().Add(unservedLife)
	}
	d.keep(c, epoch)
	return c.route, nil
}

// copy asks the copy of the source.
func (d *Directory) copy(ctx context.Context, slug string, epoch int64) (*registry.Route, error) {
	if d.copied == nil {
		return nil, errNoCopy
	}
	r, err := d.copied.Route(ctx, slug)
	if err != nil {
		return nil, err
	}
	c := cachedRoute{r.Packed(), d.now().Add(copiedLife)}
	d.keep(c, epoch)
	return c.route, nil
}

var errNoCopy = errors.New("there is no copy of the routes")

// keep remembers a route, unless a change came after epoch.
func (d *Directory) keep(c cachedRoute, epoch int64) {
	if d.epoch.Load() == epoch {
		d.routes.Add(c.route.Slug, c)
	}
}

func errUnknownSlug(slug string) error {
	return registry.Errorf(registry.CodeNotFound, "slug", "no org has the address %q", slug)
}

// Apply forgets what a change may have made wrong.
func (d *Directory) Apply(c registry.Change) {
	if c.EveryRoute() {
		d.Reset()
	}
	for _, slug := range []string{c.Slug, c.OldSlug} {
		if slug == "" {
			continue
		}
		d.epoch.Add(1)
		d.flight.Forget(slug)
		d.routes.Remove(slug)
		d.unknown.Remove(slug)
	}
}

// Reset forgets everything: after a gap in the feed nothing is certain.
func (d *Directory) Reset() {
	d.epoch.Add(1)
	d.routes.Purge()
	d.unknown.Purge()
}

// Len returns how many routes and unknown slugs are remembered.
func (d *Directory) Len() (routes, unknown int) { return d.routes.Len(), d.unknown.Len() }
