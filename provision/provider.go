package provision

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Ref names one instance for ever.
type Ref struct {
	OrgID      registry.OrgID
	Generation int64
}

func refOf(i registry.Instance) Ref { return Ref{i.OrgID, i.Generation} }

// KeysFile is the name of the file in Spec.Keys.
const KeysFile = "assertion-jwks.json"

// RedisVariable is the URL of the Redis of instances, with the org's user and password.
const RedisVariable = "PIZZERIA_REDIS_URL"

// ErrRedisAway: an instance that has a network of its own would not get there.
var ErrRedisAway = errors.New("instances without a network reach the Redis of instances at a Unix socket alone: " +
	"give `instance_redis` a url that begins with unix://")

// RedisUser is a Provider whose instances may use the Redis of instances.
type RedisUser interface {
	// UsesRedis reports whether they do: not those of an app that brings its own.
	UsesRedis() bool
}

// Spec is what a provider needs to make an instance.
type Spec struct {
	Ref
	Slug string
	// Env is the instance's environment as the composition root makes it. The provider adds what
	// depends on where it places things: PIZZERIA_LISTEN, PIZZERIA_DATA_DIR and PIZZERIA_JWKS_FILE.
	Env map[string]string
	// Keys is the directory on this machine with the public keys of assertions: KeysFile, and
	// nothing else. The provider shows the instance all of it, since the file is replaced by
	// renaming another, and sets PIZZERIA_JWKS_FILE to where the file is for the instance. "":
	// there are none.
	Keys string
	// Secrets are the names in Env whose values no log may hold.
	Secrets []string
	// Redis is the path of the Unix socket on this machine that RedisVariable in Env leads to; "" where
	// it leads to a host or is not set. A restart of Redis makes the socket anew, so the provider shows the
	// instance its directory. The agent leads a port of the instance there.
	Redis string
	// Health is the path of the instance's health check.
	Health string
	// Limits are what the org may use of cpu, memory, pids and disk. A provider that cannot hold an
	// instance to one says so by Enforces, and starts it all the same.
	Limits registry.Limits
	// Progress tells people what a start waits for, such as a pull of an image, in one line. Call it
	// during Ensure alone, at most once a second. nil: nobody asks.
	Progress func(detail string)
	// Configuration names what Env and the provider's own configuration are made of, apart from
	// what is the org's. The provider keeps it with the instance.
	Configuration string
}

// Observed is what a provider sees of an instance.
type Observed struct {
	Running bool
	// Address is the network address, "unix//path", "host:port" or "tls/host:port" (see Secured);
	// set while Running.
	Address string
	// Configuration is that of the Spec with which it was started; set while Running.
	Configuration string
	// Image is what it runs, such as name@sha256:..., by which anyone can get the same; "" where the
	// provider has no images. Set while Running.
	Image string
	// Elsewhere is true of an instance that somebody else started, which is never outdated.
	Elsewhere bool
	Detail    string // why it is not running, for people
	// Notice is what is not as the Spec says of an instance that Ensure started, for people.
	Notice string
}

// Seen is an instance as a provider sees it.
type Seen struct {
	Ref
	Observed
	// Foreign is the installation that it belongs to when that is another one, which uses the same
	// place: it is only told of. A provider that finds its instances by their installation alone
	// sees none.
	Foreign registry.InstallationID
}

// Provider makes instances exist. All methods are idempotent and may be called again after a crash at any point.
type Provider interface {
	// Name is the provider's name in config and registry.
	Name() string
	// For returns the provider of one installation's instances: its ID is part of the name or the
	// labels of all that is made. What carries another ID is neither adopted nor stopped, and where
	// it is in the way of an instance, that is an error; what carries none is of before there were
	// IDs, and is adopted. Without an installation a provider is only asked what it is: Name,
	// Configuration, Grace, Enforces and Isolation.
	For(id registry.InstallationID) Provider
	// Ensure makes the instance run and returns how it is reached; one that runs already is adopted.
	// It is an error when a higher generation runs: two must not share an org's data.
	Ensure(ctx context.Context, s Spec) (Observed, error)
	// Observe looks without changing anything.
	Observe(ctx context.Context, r Ref) (Observed, error)
	// Stop ends all of an org's instances up to and including a generation: grace, then force. Data stays.
	Stop(ctx context.Context, org registry.OrgID, upTo int64) error
	// List returns what runs, whoever asked for it, and what something is left of (not Running).
	List(ctx context.Context) ([]Seen, error)
	// Logs returns what an org's instance prints: the newest lines, and with follow
	// what comes until ctx ends. Without an instance there is nothing to read.
	Logs(ctx context.Context, org registry.OrgID, lines int, follow bool) (io.ReadCloser, error)
	// Configuration identifies the configuration that instances keep from their start: when it
	// changes, those that run are outdated.
	Configuration() string
	// Grace is how long an instance may take to stop.
	Grace() time.Duration
	// Enforces reports whether instances are held to a limit of Spec.Limits.
	Enforces(name registry.LimitName) bool
	// Isolation says honestly what separates two instances.
	Isolation() string
}

// Watcher is a Provider that tells when an instance ends by itself. The others are asked every 2
// seconds.
type Watcher interface {
	// Watch calls changed, soon after, with each instance that has ended, and first with those that
	// had before, until ctx is done. It may call it also for one that has not, or was stopped. It is
	// called again when it returns earlier: errors.ErrUnsupported means that it cannot tell after all,
	// any other error that it cannot any more.
	Watch(ctx context.Context, changed func(Ref)) error
}

// Keeper is a Provider that says where it keeps the data of orgs. An org keeps its data when it
// moves between two that name the same place; the others share it with none.
type Keeper interface {
	// Place is where the data of orgs is, such as a directory of this machine.
	Place() string
}

// Limited is a Provider that cannot do everything on every system.
type Limited interface {
	// Limits says what this system does not give, for the log, or "".
	Limits() string
}

// Releaser is a Provider that holds something of the machine also while nothing runs, such as mounts.
type Releaser interface {
	// Release lets go of it where nothing runs; what needs it takes it again.
	Release() error
}

// Meter is a Provider that measures what instances use of what they may.
type Meter interface {
	// Use is what an instance uses now, in the unit of its limit. What is not measured is absent.
	Use(r Ref) map[registry.LimitName]float64
}

// Sampler is a Provider whose machine counts what instances use, also while their agents do not answer.
type Sampler interface {
	// Sample is what an instance has used and uses now; ok when that is counted. It is cheap.
	Sample(r Ref) (s Sample, ok bool)
}

// Sample is what a machine counts of an instance.
type Sample struct {
	CPU    time.Duration // since the start of its generation
	Memory int64         // bytes, without files that were not used lately
}

// Limiter is a Provider that can hold an instance that runs to other limits.
type Limiter interface {
	// Limit changes what Spec.Limits said when the instance was started. errors.ErrUnsupported: this
	// instance is held to none, or keeps its limits until it is restarted.
	Limit(ctx context.Context, r Ref, l registry.Limits) error
}
