package shared

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Modes of a Config.
const (
	Single   = "single"
	Sentinel = "sentinel"
	Cluster  = "cluster"
)

// Config says where Redis is.
type Config struct {
	// Where Redis is: `redis://`, `rediss://` with TLS, or `unix://`, with user, password and database.
	// With `mode sentinel` it is a Sentinel with `?master_name=<name>`, with `mode cluster` a node of the
	// cluster; `&addr=<host:port>` names more of them. Required.
	URL string `json:"url,omitempty"`

	// What answers there: `single`, `sentinel` or `cluster`. Default: `single`.
	Mode string `json:"mode,omitempty"`

	// A file with the CA certificates in PEM that the server's is verified by. Default: the system's.
	CAFile string `json:"ca_file,omitempty"`
}

// Check reports what is wrong with a configuration.
func (c *Config) Check() error {
	client, err := c.open()
	if err != nil {
		return err
	}
	return client.Close()
}

const (
	// patience is how long one command may take. Someone waits for the answer.
	patience = 100 * time.Millisecond
	// dialTime is how long a connection may take to be there.
	dialTime = time.Second
)

// open returns a client, which has not connected yet.
func (c *Config) open() (redis.UniversalClient, error) {
	if c.URL == "" {
		return nil, errors.New("redis: name the url, such as redis://localhost:6379")
	}
	pool, err := c.roots()
	if err != nil {
		return nil, err
	}
	switch c.Mode {
	case "", Single:
		o, err := c.Options(patience)
		if err != nil {
			return nil, err
		}
		return redis.NewClient(o), nil
	case Sentinel:
		o, err := redis.ParseFailoverURL(c.URL)
		if err != nil {
			return nil, unreadable(err)
		}
		if o.MasterName == "" {
			return nil, errors.New("redis: mode sentinel takes a url with ?master_name=<name>")
		}
		if err := trust(o.TLSConfig, pool); err != nil {
			return nil, err
		}
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTime, patience, patience, patience
		o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
		return redis.NewFailoverClient(o), nil
	case Cluster:
		o, err := redis.ParseClusterURL(c.URL)
		if err != nil {
			return nil, unreadable(err)
		}
		if err := trust(o.TLSConfig, pool); err != nil {
			return nil, err
		}
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTime, patience, patience, patience
		o.DialerRetries, o.ContextTimeoutEnabled = 1, true // redirections are its only retries
		o.MaintNotificationsConfig = noNotices()
		return redis.NewClusterClient(o), nil
	}
	return nil, fmt.Errorf("redis: unknown mode %q: use single, sentinel or cluster", c.Mode)
}

// Options are those of a client of the one server that the URL names, where a command may take so long.
func (c *Config) Options(patience time.Duration) (*redis.Options, error) {
	pool, err := c.roots()
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, unreadable(err)
	}
	if err := trust(o.TLSConfig, pool); err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTime, patience, patience, patience
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.MaintNotificationsConfig = noNotices()
	return o, nil
}

// Names reports whether the URL names the server at an address, which is "host:port" or a path.
func (c *Config) Names(address string) bool {
	switch c.Mode {
	case "", Single:
		o, err := redis.ParseURL(c.URL)
		return err == nil && o.Addr == address
	case Sentinel:
		o, err := redis.ParseFailoverURL(c.URL)
		return err == nil && slices.Contains(o.SentinelAddrs, address)
	}
	o, err := redis.ParseClusterURL(c.URL)
	return err == nil && slices.Contains(o.Addrs, address)
}

// unreadable leaves the URL out of an error, since a password is in it.
func unreadable(error) error {
	return errors.New("redis: the url is not valid: use redis://, rediss:// or unix://, such as " +
		"rediss://user:password@redis.example.com:6379/0")
}

// noNotices: only some hosted Redis has them, and others are asked in vain.
func noNotices() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func (c *Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("redis: ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("redis: ca_file %s: no certificate in PEM is in it", c.CAFile)
	}
	return pool, nil
}

// trust makes the server's certificate be verified by the pool, if there is one.
func trust(t *tls.Config, pool *x509.CertPool) error {
	switch {
	case pool == nil:
		return nil
	case t == nil:
		return errors.New("redis: ca_file takes a url that begins with rediss://")
	}
	t.RootCAs = pool
	return nil
}
