package orgredis

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/internal/shared"
)

// Config says where the Redis of instances is, and what orgs may use there.
type Config struct {
	// Where Redis is: `unix://` with the path of its socket, which isolated instances need, `redis://`, or
	// `rediss://` with TLS; with a user and password that may do everything. Its `default` user must be
	// off or have a password. It must not be the server of `redis`. Required.
	URL string `json:"url,omitempty"`

	// A file with the CA certificates in PEM that the server's is verified by. Default: the system's.
	CAFile string `json:"ca_file,omitempty"`

	// How many bytes an org may use. One that uses more can only read and remove until it is below.
	// What it uses is an estimate, at most some minutes old. Default: not limited.
	Memory int64 `json:"memory,omitempty"`

	// Let orgs run Lua scripts with `EVAL`. A script that does not end holds up every org. Default:
	// `false`.
	Scripts bool `json:"scripts,omitempty"`
}

// patience is how long one command may take.
const patience = 3 * time.Second

// Check reports what is wrong with a configuration.
func (c *Config) Check() error {
	o, err := c.options()
	switch {
	case err != nil:
		return err
	case o.DB != 0:
		return errors.New("instance_redis: orgs use database 0: leave the database out of the url")
	case o.Password == "":
		return errors.New("instance_redis: the url needs a password, such as " +
			"unix://admin:{env.REDIS_PASSWORD}@/run/pizzeria-redis/redis.sock")
	case c.Memory < 0:
		return errors.New("instance_redis: memory must be above zero")
	}
	return nil
}

func (c *Config) options() (*redis.Options, error) {
	if c.URL == "" {
		return nil, errors.New("instance_redis: name the url, such as unix://admin:password@/run/pizzeria-redis/redis.sock")
	}
	return (&shared.Config{URL: c.URL, CAFile: c.CAFile}).Options(patience)
}

// CheckApart returns an error when it is the Redis that nodes share; nil: there is none.
func (c *Config) CheckApart(nodes *shared.Config) error {
	o, err := c.options()
	if err != nil || nodes == nil || !nodes.Names(o.Addr) {
		return err
	}
	return errSame
}

var errSame = errors.New("instance_redis: this is the Redis of `redis`: instances need another one")

// Place is where instances find it, without anything secret.
func (c *Config) Place() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}
