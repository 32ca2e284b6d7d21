package shared

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/identity"
)

// errAway says that Redis is not asked, since it did not answer last.
var errAway = errors.New("redis is away")

// connected is a client of one configuration.
type connected struct {
	of     Config
	client redis.UniversalClient // nil: the configuration does not do
	up     atomic.Bool
	tried  bool   // only for Run
	stop   func() // ends what listens to other nodes
}

// Redis is the Redis that the nodes of an installation share, as configured now. Make one with New,
// then Run it.
type Redis struct {
	config  func() *Config // returns nil where there is none
	prefix  string         // of all keys: other installations may use the same Redis
	hide    func(text string) string
	sign    func(text string) string
	log     *slog.Logger
	now     atomic.Pointer[connected]
	metrics *Metrics

	// Heard is told the numbers of changes that nodes committed; nil: nobody asks. Set it before Run.
	Heard func(seq int64)
}

// New returns a Redis that has not connected. Names of its keys are made under the secret key, so that
// they tell nobody of people.
func New(
	config func() *Config, key *identity.MasterKey, m *Metrics, log *slog.Logger,
) *Redis {
	redis.SetLogger(silent{})
	return &Redis{
		config: config, prefix: "pizzeria:" + key.Tag("redis name", "")[:8] + ":", log: log,
		hide:    func(text string) string { return key.Tag("redis key", text)[:24] },
		sign:    func(text string) string { return key.Tag("redis feed", text) },
		metrics: m,
	}
}

// silent drops what the client logs: Run says what is wrong.
type silent struct{}

// Printf implements the client's logger.
func (silent) Printf(context.Context, string, ...any) {}

// askEvery is how often Redis is asked whether it is there. Only that ends a time in which it is not
// asked, so that nobody's request waits for a Redis that hangs.
const askEvery = 500 * time.Millisecond

// Run watches over Redis, and follows the configuration, until ctx ends.
func (r *Redis) Run(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	defer func() { r.change(nil) }()
	for {
		r.follow(ctx)
		if c := r.now.Load(); c != nil && c.client != nil {
			r.ask(ctx, c)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// follow makes a client of the configuration that counts now.
func (r *Redis) follow(ctx context.Context) {
	config, last := r.config(), r.now.Load()
	switch {
	case config == nil && last == nil, config != nil && last != nil && last.of == *config:
		return
	case config == nil:
		r.change(nil)
		return
	}
	next := &connected{of: *config, stop: func() {}}
	var err error
	if next.client, err = config.open(); err != nil { // such as a CA file that is gone
		r.log.Error("Redis cannot be used, counting in this process", "error", err)
	} else if r.Heard != nil {
		next.stop = r.listen(ctx, next.client)
	}
	r.change(next)
}

func (r *Redis) change(next *connected) {
	if last := r.now.Swap(next); last != nil && last.client != nil {
		last.stop()
		_ = last.client.Close() // commands that run fail, as when it is away
	}
	r.metrics.up.Set(0)
}

// ask writes something where limits are, since a Redis that is full or read-only is of no use either, nor
// a cluster whose node for limits is lost.
func (r *Redis) ask(ctx context.Context, c *connected) {
	within, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	err := c.client.Set(within, r.prefix+"{limits}alive", 1, time.Minute).Err()
	first := !c.tried
	c.tried = true
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.lost(c, err, first)
	case !c.up.Swap(true):
		r.metrics.up.Set(1)
		r.log.Info("Redis is there, counting together with other nodes")
	}
}

// lost notes that Redis does not answer as it should.
func (r *Redis) lost(c *connected, err error, first bool) {
	r.metrics.failures.Inc()
	if c.up.Swap(false) || first {
		r.metrics.up.Set(0)
		r.log.Warn("Redis is away, counting in this process", "error", err)
	}
}

// Away reports whether there should be a Redis, and it does not answer.
func (r *Redis) Away() bool {
	if r.config() == nil {
		return false
	}
	c := r.now.Load()
	return c == nil || !c.up.Load()
}

// do runs commands that a request waits for, for at most patience.
func (r *Redis) do(ctx context.Context, f func(context.Context, redis.UniversalClient) error) error {
	began := time.Now()
	err := r.run(ctx, f)
	if errors.Is(err, errAway) {
		r.metrics.skipped.Inc()
	} else {
		r.metrics.took.Observe(time.Since(began).Seconds())
	}
	return err
}

func (r *Redis) run(ctx context.Context, f func(context.Context, redis.UniversalClient) error) error {
	c := r.now.Load()
	if c == nil || !c.up.Load() {
		return errAway
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f(within, c.client)
	if err != nil && ctx.Err() == nil {
		r.lost(c, err, false)
	}
	return err
}

// RunID names the process that answers, "" where none does or several may.
func (r *Redis) RunID(ctx context.Context) string {
	var info string
	err := r.do(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		info, err = c.Info(ctx, "server").Result()
		return err
	})
	if err != nil {
		return ""
	}
	return Field(info, "run_id")
}

// Field returns a field of what INFO answers.
func Field(info, name string) string {
	_, after, _ := strings.Cut("\n"+info, "\n"+name+":")
	value, _, _ := strings.Cut(after, "\r")
	return value
}
