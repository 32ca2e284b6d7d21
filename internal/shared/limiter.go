package shared

import (
	"context"
	_ "embed"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/identity"
)

// Limiter returns the limiter that all nodes share; nil where no Redis is configured.
func (r *Redis) Limiter() identity.Limiter {
	if r.config() == nil {
		return nil
	}
	return limiter{r}
}

// limiter keeps each bucket as one number, the time at which it is full again (GCRA), by the clock of
// Redis. A full bucket is no key at all. In a cluster all keys are in one slot, since a stage is taken
// as a whole: limits are asked for at sign-ins and mails, which one node of Redis can bear.
type limiter struct{ *Redis }

var (
	//go:embed take.lua
	takeSource string
	//go:embed give.lua
	giveSource string
	//go:embed left.lua
	leftSource string

	take, give, left = redis.NewScript(takeSource), redis.NewScript(giveSource), redis.NewScript(leftSource)
)

func (l limiter) key(b identity.Bucket) string {
	return l.prefix + "{limits}:" + l.hide(b.Limit.Name+"\x00"+b.Key)
}

func figures(b identity.Bucket) []any { return []any{b.Limit.Every.Microseconds(), b.Limit.Burst} }

// Take implements identity.Limiter.
func (l limiter) Take(ctx context.Context, stages ...[]identity.Bucket) (*identity.Limit, error) {
	var all []identity.Bucket
	args := []any{len(stages)}
	for _, stage := range stages {
		args = append(args, len(stage))
		all = append(all, stage...)
	}
	keys := make([]string, len(all))
	for i, b := range all {
		keys[i] = l.key(b)
		args = append(args, figures(b)...)
	}
	var empty int
	err := l.do(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		empty, err = take.Run(ctx, c, keys, args...).Int()
		return err
	})
	if err != nil || empty == 0 {
		return nil, err
	}
	return all[empty-1].Limit, nil
}

// Give implements identity.Limiter.
func (l limiter) Give(ctx context.Context, list []identity.Bucket) error {
	keys := make([]string, len(list))
	var args []any
	for i, b := range list {
		keys[i] = l.key(b)
		args = append(args, figures(b)...)
	}
	return l.do(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return give.Run(ctx, c, keys, args...).Err()
	})
}

// Left implements identity.Limiter.
func (l limiter) Left(ctx context.Context, b identity.Bucket) (n float64, err error) {
	err = l.do(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		text, err := left.Run(ctx, c, []string{l.key(b)}, figures(b)...).Text()
		if err != nil {
			return err
		}
		n, err = strconv.ParseFloat(text, 64)
		return err
	})
	return n, err
}
