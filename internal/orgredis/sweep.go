package orgredis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	sweepEvery = 10 * time.Second
	sweepTime  = 5 * time.Minute // bounds one: the removal of keys walks through all that there are
	batch      = 1000            // keys at once
)

// Apply implements registry.FeedHandler.
func (u *Users) Apply(c registry.Change) {
	switch c.Kind {
	case registry.ChangeOrgSuspended, registry.ChangeOrgResumed, registry.ChangeOrgDeleting,
		registry.ChangeOrgKept, registry.ChangeOrgDeleted, registry.ChangeOrgProviderChanged:
		u.Reset()
	}
}

// Reset implements registry.FeedHandler: Redis is compared with the store soon.
func (u *Users) Reset() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Run keeps Redis as the store says, and watches over memory, until ctx ends.
func (u *Users) Run(ctx context.Context) {
	sweep, count := time.NewTicker(sweepEvery), time.NewTicker(countEvery)
	defer sweep.Stop()
	defer count.Stop()
	defer u.forget()
	w := walk{u: u}
	var said string
	say := func(err error) {
		switch {
		case ctx.Err() != nil:
		case err == nil:
			said = ""
			u.o.Metrics.up.Set(1)
		case err.Error() != said:
			said = err.Error()
			u.o.Metrics.up.Set(0)
			u.o.Log.Warn("cannot keep users of instances at Redis, retrying", "error", err)
		}
	}
	for {
		if u.o.Config() != nil {
			say(u.Sweep(ctx))
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case <-u.wake:
				due = true
			case <-sweep.C:
				due = true
			case <-count.C:
				if u.o.Config() != nil && said == "" {
					say(w.step(ctx))
				}
			}
		}
	}
}

func (u *Users) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.close()
	u.o.Metrics.clear()
}

// Sweep brings Redis to what the store says.
func (u *Users) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	s, client, gone, err := u.compare(ctx)
	if err != nil || len(gone) == 0 {
		return err
	}
	return remove(ctx, client, s, gone) // which takes time, and starts do not wait for
}

// compare makes users what they should be, and returns the deleted orgs that have something left.
func (u *Users) compare(ctx context.Context) (
	s server, client *redis.Client, gone map[registry.OrgID]bool, err error,
) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.follow(); err != nil || u.client == nil {
		return s, nil, nil, err
	}
	if s, err = u.look(ctx); err != nil {
		return s, nil, nil, err
	}
	wanted, err := u.serving(ctx)
	if err != nil {
		return s, nil, nil, err
	}
	for _, w := range wanted {
		if err := u.restore(ctx, s, w); err != nil {
			return s, nil, nil, err
		}
	}
	there, err := u.there(ctx, s)
	if err != nil {
		return s, nil, nil, err
	}
	gone = map[registry.OrgID]bool{}
	for org := range there {
		if _, ok := wanted[org]; ok {
			continue
		}
		deleted, err := u.end(ctx, s, org)
		if err != nil {
			return s, nil, nil, err
		}
		if deleted {
			gone[org] = true
		}
	}
	return s, u.client, gone, nil
}

// serving are the orgs whose instances run with a user.
func (u *Users) serving(ctx context.Context) (map[registry.OrgID]registry.Work, error) {
	all, err := u.o.Store.Work(ctx, self)
	if err != nil {
		return nil, err
	}
	wanted := map[registry.OrgID]registry.Work{}
	for _, w := range all {
		if w.Instance.Desired == registry.DesiredRunning && u.o.Uses(w) {
			wanted[w.Instance.OrgID] = w
		}
	}
	return wanted, nil
}

// restore makes the user of an instance that runs what it should be. One that is about to be replaced
// keeps its password: the start of the next generation changes that.
func (u *Users) restore(ctx context.Context, s server, w registry.Work) error {
	i := w.Instance
	now := s.users[s.user(i.OrgID)]
	hash := now.hash
	if i.State.Serves() {
		hash = hashed(password(u.key, s.installation, refOf(i)))
	}
	if hash == "" {
		return nil
	}
	return u.give(ctx, s, i.OrgID, hash)
}

// there are the orgs that have something in this Redis.
func (u *Users) there(ctx context.Context, s server) (map[registry.OrgID]bool, error) {
	all := map[registry.OrgID]bool{}
	for name := range s.users {
		if org, ok := s.ofUser(name); ok {
			all[org] = true
		}
	}
	noted, err := u.client.SMembers(ctx, s.orgs()).Result()
	for _, org := range noted {
		if registry.ValidID(org) {
			all[registry.OrgID(org)] = true
		}
	}
	return all, err
}

// end takes the user from an org that was not wanted, unless the store says by now that it is. It
// reports whether the org is deleted. One that the store does not know, as after a restore from a
// backup, keeps its keys.
func (u *Users) end(ctx context.Context, s server, org registry.OrgID) (deleted bool, err error) {
	w, err := u.o.Store.WorkOn(ctx, self, org)
	unknown := registry.ErrorCode(err) == registry.CodeNotFound
	switch {
	case err != nil && !unknown:
		return false, err
	case !unknown && w.Instance.Desired == registry.DesiredRunning && u.o.Uses(w):
		return false, nil
	}
	return !unknown && w.Instance.Desired == registry.DesiredAbsent, u.takeAway(ctx, s, org)
}

// remove removes the keys of orgs whose users have nothing any more, and then what told of them.
func remove(ctx context.Context, client *redis.Client, s server, gone map[registry.OrgID]bool) error {
	for cursor := uint64(0); ; {
		keys, next, err := client.Scan(ctx, cursor, s.prefixes()+"*", batch).Result()
		if err != nil {
			return err
		}
		var theirs []string
		for _, key := range keys {
			if org, ok := s.ofKey(key); ok && gone[org] {
				theirs = append(theirs, key)
			}
		}
		if len(theirs) > 0 {
			if err := client.Unlink(ctx, theirs...).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	var errs []error
	for org := range gone {
		errs = append(errs,
			client.Do(ctx, "ACL", "DELUSER", s.user(org)).Err(),
			client.SRem(ctx, s.names.full(), string(org)).Err(),
			client.SRem(ctx, s.orgs(), string(org)).Err())
	}
	return errors.Join(errs...)
}
