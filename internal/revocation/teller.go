package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	lookEvery = time.Second // for what the feed did not tell
	// Told at once: instances that are told for the first time, and those that failed to take it,
	// so that they keep nobody waiting.
	places     = 64
	slowPlaces = 16

	// goneMax is how many gone people an instance is told of at once: what they have in the app is
	// ended before it answers.
	goneMax = 16
)

// Results of telling an instance.
const (
	ResultOK     = "ok"
	ResultFailed = "failed"
	ResultNone   = "no_agent"
)

// Results lists the results.
func Results() []string { return []string{ResultOK, ResultFailed, ResultNone} }

var system = registry.AsSystem("revocations")

// Teller pushes revocations to agents. It implements registry.FeedHandler. Make one with New.
type Teller struct {
	store    registry.RevocationStore
	attended provision.Attended
	counted  func(result string)
	log      *slog.Logger
	wake     chan struct{}

	patience       time.Duration // with one agent, which ends what is open
	free, slowFree chan struct{}

	mu      sync.Mutex
	telling map[provision.Ref]*attempt
}

// attempt is what is known of an instance that is being told, or is to be told again.
type attempt struct {
	busy     bool
	failures int // in a row
	next     time.Time
}

// New makes a Teller; Run starts it.
func New(
	s registry.RevocationStore, a provision.Attended, counted func(result string), log *slog.Logger,
) *Teller {
	return &Teller{
		store: s, attended: a, counted: counted, log: log, wake: make(chan struct{}, 1),
		patience: 10 * time.Second,
		free:     make(chan struct{}, places), slowFree: make(chan struct{}, slowPlaces),
		telling: map[provision.Ref]*attempt{},
	}
}

// Apply implements registry.FeedHandler.
func (t *Teller) Apply(registry.Change) { t.look() }

// Reset implements registry.FeedHandler.
func (t *Teller) Reset() { t.look() }

func (t *Teller) look() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Run tells until ctx is done.
func (t *Teller) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := ""
	for {
		refs, err := t.store.UntoldInstances(ctx, system)
		switch {
		case err == nil:
			said = ""
			t.start(ctx, &wg, refs)
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			t.log.Warn("cannot read revocations, retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-tick.C:
		}
	}
}

// start begins to tell those that are due, as far as there is room.
func (t *Teller) start(ctx context.Context, wg *sync.WaitGroup, refs []registry.InstanceRef) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make(map[provision.Ref]*attempt, len(refs))
	for ref, a := range t.telling {
		if a.busy {
			kept[ref] = a
		}
	}
	for _, r := range refs {
		ref := provision.Ref(r)
		a := t.telling[ref]
		if a == nil {
			a = new(attempt)
		}
		kept[ref] = a
		if a.busy || now.Before(a.next) {
			continue
		}
		places := t.free
		if a.failures > 0 {
			places = t.slowFree
		}
		select {
		case places <- struct{}{}:
		default:
			continue // at the next look
		}
		a.busy = true
		wg.Go(func() {
			defer func() { <-places }()
			t.tell(ctx, ref, a)
		})
	}
	t.telling = kept
}

// tell tells an instance, and notes how that went.
func (t *Teller) tell(ctx context.Context, ref provision.Ref, a *attempt) {
	result, err := t.push(ctx, ref)
	t.mu.Lock()
	a.busy = false
	if err == nil {
		a.failures = 0
	} else {
		a.failures++
		a.next = time.Now().Add(registry.RetryDelay(a.failures))
	}
	failures := a.failures
	t.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	t.counted(result)
	if failures&(failures-1) == 0 && err != nil { // 1, 2, 4, ...
		t.log.Warn("revocation push failed, retrying",
			"org", ref.OrgID, "generation", ref.Generation, "failures", failures, "error", err)
	}
	t.look() // there is room for another, and perhaps more to tell
}

func (t *Teller) push(ctx context.Context, ref provision.Ref) (result string, err error) {
	list, err := t.store.Untold(ctx, system, ref.OrgID)
	if err != nil {
		return ResultFailed, err
	}
	var v registry.Revocation
	var told []registry.Untold
	for _, u := range list {
		switch {
		case u.RunnerID != "" && u.Gone:
			v.GoneRunners = append(v.GoneRunners, u.RunnerID)
			fallthrough
		case u.RunnerID != "":
			v.Runners = append(v.Runners, u.RunnerID)
		case u.Gone && len(v.GoneUsers) == goneMax:
			v.Users = append(v.Users, u.UserID) // what they have open ends at once
			continue                            // and the rest when they are told of again
		case u.Gone:
			v.GoneUsers = append(v.GoneUsers, u.UserID)
			fallthrough
		default:
			v.Users = append(v.Users, u.UserID)
		}
		told = append(told, u)
	}
	pushing, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	result, err = ResultOK, t.attended.Revoke(pushing, ref, v)
	if errors.Is(err, errors.ErrUnsupported) {
		result, err = ResultNone, nil
	}
	if err != nil {
		return ResultFailed, err
	}
	return result, t.store.MarkTold(ctx, system, ref.OrgID, told)
}
