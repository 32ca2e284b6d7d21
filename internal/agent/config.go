//go:build linux || darwin

package agent

import (
	"cmp"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/registry"
)

// Config of an Agent.
type Config struct {
	OrgID      registry.OrgID
	Generation int64
	Issuer     string
	Keys       assertion.Keys // of assertions; for profiles other than Direct

	Command []string
	// Env is the app's environment. The agent adds PORT and HOST, unless they are set, and replaces
	// PIZZERIA_LISTEN, unless the profile is Direct.
	Env map[string]string
	Dir string // working directory
	// Sidecars are commands that run beside the app, with its environment.
	Sidecars [][]string

	Profile Profile
	// Required refuses requests without an assertion, other than health checks. Otherwise they reach
	// the app, without any identity: the gateway let them through (org_auth except).
	Required bool
	Listen   string // the instance's address: "unix:/path" or "host:port"
	Health   string // path of the app's health check. Default: /healthz
	Metrics  string // path of the app's metrics. Default: /metrics
	Data     string // directory that heartbeats tell the size of

	// Socket is the path of the agent's own socket; "" for none. Who asks there needs the Credential.
	Socket     string
	Credential string

	// PushURL and PushToken are where the agent pushes its heartbeats, for a host side that cannot ask
	// for them; "" for nowhere. The server there is trusted by the system's certificates and, where the
	// file exists, by those of PushCA.
	PushURL, PushToken, PushCA string

	// Egress is the socket of a proxy to other networks, which the app finds as HTTP_PROXY and so on; ""
	// for none.
	Egress string

	// Redis is the socket of the Redis of instances, which PIZZERIA_REDIS_URL leads to; the app finds a
	// port there instead. "" for none.
	Redis string

	// Secrets are names in Env whose values must not reach the log.
	Secrets []string
	Log     io.Writer // JSON lines

	Lock *os.File // see processtree.New
	Now  func() time.Time
}

func (c *Config) complete() error {
	c.Profile = cmp.Or(c.Profile, Direct)
	c.Health, c.Metrics = cmp.Or(c.Health, "/healthz"), cmp.Or(c.Metrics, "/metrics")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if err := CheckProfile(c.Profile); err != nil {
		return err
	}
	switch {
	case len(c.Command) == 0:
		return errors.New("the command is missing")
	case c.Socket != "" && c.Credential == "":
		return errors.New("the agent's socket needs a credential")
	case c.Profile != Direct && c.Listen == "":
		return errors.New("the address to listen at is missing: set PIZZERIA_LISTEN")
	}
	if err := c.checkPush(); err != nil {
		return err
	}
	for _, s := range c.Sidecars {
		if len(s) == 0 {
			return errors.New("a sidecar has no command")
		}
	}
	return nil
}

// secrets are values that must not reach the log.
func (c *Config) secrets() []string {
	var values []string
	for _, name := range c.Secrets {
		values = append(values, c.Env[name])
	}
	return append(values, c.Credential, c.PushToken)
}

// splitAddress splits "unix:/path" or "host:port" for the net package.
func splitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}
