package shared

import (
	"context"
	"crypto/hmac"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Tell tells other nodes the number of the newest change in the feed. The feed is the record: what does
// not arrive costs them the time until their next poll.
func (r *Redis) Tell(ctx context.Context, seq int64) error {
	number := strconv.FormatInt(seq, 10)
	err := r.run(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return c.Publish(ctx, r.channel(), number+" "+r.sign(number)).Err()
	})
	if err == nil {
		r.metrics.messages.WithLabelValues("sent").Inc()
	}
	return err
}

func (r *Redis) channel() string { return r.prefix + "feed" }

// listen passes on what nodes tell, until stop. The client connects again by itself.
func (r *Redis) listen(ctx context.Context, c redis.UniversalClient) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		all := c.Subscribe(ctx, r.channel())
		defer context.AfterFunc(ctx, func() { _ = all.Close() })()
		for m := range all.Channel() {
			r.hear(m.Payload)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// hear drops what no node of this installation said, so that nobody else at this Redis can make nodes
// read the feed.
func (r *Redis) hear(text string) {
	number, tag, _ := strings.Cut(text, " ")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !hmac.Equal([]byte(tag), []byte(r.sign(number))) {
		r.metrics.messages.WithLabelValues("refused").Inc()
		return
	}
	r.metrics.messages.WithLabelValues("received").Inc()
	r.Heard(seq)
}
