package orgredis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	countEvery = time.Second
	countKeys  = 2000 // each time, in pieces
	countPiece = 200  // of them, for which others wait
	// samples are how many elements of a key are looked at: fewer miss one large element among small ones.
	samples = 50
)

func refOf(i registry.Instance) provision.Ref {
	return provision.Ref{OrgID: i.OrgID, Generation: i.Generation}
}

// walk goes through all keys, a few each time, and begins anew at the end.
type walk struct {
	u      *Users
	run    string // the server that it walks through
	cursor uint64
	bytes  map[registry.OrgID]int64 // so far
}

// step counts some keys. At the end of a walk orgs get or lose what they may for what it found.
func (w *walk) step(ctx context.Context) error {
	w.u.mu.Lock()
	defer w.u.mu.Unlock()
	if err := w.u.follow(); err != nil || w.u.client == nil || w.u.run == "" {
		return err
	}
	if w.bytes == nil || w.run != w.u.run {
		w.run, w.cursor, w.bytes = w.u.run, 0, map[registry.OrgID]int64{}
	}
	for range countKeys / countPiece {
		if err := w.piece(ctx); err != nil {
			return err
		}
		if w.cursor == 0 {
			found := w.bytes
			w.bytes = nil
			return w.u.judge(ctx, found)
		}
	}
	return nil
}

func (w *walk) piece(ctx context.Context) error {
	n, c := names{w.u.o.Installation()}, w.u.client
	keys, next, err := c.Scan(ctx, w.cursor, n.prefixes()+"*", countPiece).Result()
	if err != nil {
		return err
	}
	sizes := make([]*redis.IntCmd, len(keys))
	if len(keys) > 0 {
		_, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				sizes[i] = p.MemoryUsage(ctx, key, samples)
			}
			return nil
		})
		if err != nil && err != redis.Nil { //nolint:errorlint // a key that is gone: as the client returns it
			return err
		}
	}
	for i, key := range keys {
		if org, ok := n.ofKey(key); ok && sizes[i].Err() == nil {
			w.bytes[org] += sizes[i].Val()
		}
	}
	w.cursor = next
	return nil
}

// judge notes what orgs use, and which of them use more than they may.
func (u *Users) judge(ctx context.Context, bytes map[registry.OrgID]int64) error {
	s, err := u.look(ctx)
	if err != nil {
		return err
	}
	there, err := u.there(ctx, s)
	if err != nil {
		return err
	}
	for org := range s.full {
		there[org] = true
	}
	used := make(map[registry.OrgID]int64, len(there))
	for org := range there {
		used[org] = bytes[org]
		if err := u.bound(ctx, s, org, bytes[org]); err != nil {
			return err
		}
	}
	u.o.Metrics.set(used)
	return nil
}

// bound lets an org write, or not. A user that has something has its password kept.
func (u *Users) bound(ctx context.Context, s server, org registry.OrgID, bytes int64) error {
	over := u.of.Memory > 0 && bytes > u.of.Memory
	if over == s.full[org] {
		return nil
	}
	note := u.client.SRem
	if over {
		note = u.client.SAdd
	}
	if err := note(ctx, s.names.full(), string(org)).Err(); err != nil {
		return err
	}
	s.full[org] = over
	if over {
		u.o.Log.Warn("org uses too much memory of Redis, refusing writes", "org", org, "bytes", bytes, "limit", u.of.Memory)
	} else {
		u.o.Log.Info("org is below its limit of Redis again", "org", org, "bytes", bytes, "limit", u.of.Memory)
	}
	now := s.users[s.user(org)]
	if !now.on || now.hash == "" {
		return nil
	}
	return u.give(ctx, s, org, now.hash)
}
