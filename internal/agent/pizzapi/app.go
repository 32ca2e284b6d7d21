package pizzapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Health is the path of PizzaPi's own health check.
const Health = "/health"

// maxAccounts is how many people's sessions are remembered. Others are signed in again.
const maxAccounts = 2000

// Config of an App.
type Config struct {
	Env       map[string]string // of the instance: PIZZERIA_PUBLIC_URL, PIZZERIA_PREFIX, PIZZERIA_DATA_DIR
	RedisPort string            // on loopback, for a Redis that is the instance's own
	Now       func() time.Time
	Say       func(string) // writes a line to the instance's log
}

// App is a PizzaPi behind the agent.
type App struct {
	c       Config
	base    *url.URL // of the org's host
	prefix  string   // of the gateway's paths on it
	secrets secrets
	runners runners
	redis   redis

	client   *http.Client // of PizzaPi
	accounts *lru.Cache[string, *account]
}

// New reads the instance's secrets, or makes them.
func New(c Config) (*App, error) {
	a := &App{c: c, prefix: c.Env["PIZZERIA_PREFIX"]}
	var err error
	if a.base, err = url.Parse(c.Env["PIZZERIA_PUBLIC_URL"]); err != nil || a.base.Host == "" {
		return nil, errors.New("PIZZERIA_PUBLIC_URL is not set, or is not the org's URL")
	}
	// PizzaPi's own pages are cached by its worker, so the gateway's paths must not look like one.
	if !strings.HasPrefix(a.prefix, "/api/") {
		return nil, fmt.Errorf("PIZZERIA_PREFIX is %q: set `prefix /api/.pizzeria` in the Caddyfile", a.prefix)
	}
	data := c.Env["PIZZERIA_DATA_DIR"]
	if data == "" {
		return nil, errors.New("PIZZERIA_DATA_DIR is not set")
	}
	if a.secrets, err = openSecrets(filepath.Join(data, secretsFile)); err != nil {
		return nil, err
	}
	if a.runners, err = openRunners(filepath.Join(data, runnersFile)); err != nil {
		return nil, err
	}
	a.redis = newRedis(c.RedisPort)
	a.accounts, err = lru.New[string, *account](maxAccounts)
	return a, err
}

// Use sets the transport to PizzaPi.
func (a *App) Use(t http.RoundTripper) {
	a.client = &http.Client{
		Transport: t, Timeout: callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Environment is what PizzaPi gets, whatever else its environment says.
func (a *App) Environment() map[string]string {
	data := a.c.Env["PIZZERIA_DATA_DIR"]
	base := a.origin()
	return map[string]string{
		"NODE_ENV":                                "production",
		"PIZZAPI_BASE_URL":                        base,
		"BETTER_AUTH_BASE_URL":                    base,
		"BETTER_AUTH_SECRET":                      a.secrets.BetterAuth,
		"PIZZAPI_TUNNEL_TOKEN_SECRET":             a.secrets.Tunnel,
		"AUTH_DB_PATH":                            filepath.Join(data, "auth.db"),
		"PIZZAPI_ATTACHMENT_DIR":                  filepath.Join(data, "attachments"),
		"PIZZAPI_REDIS_URL":                       a.redis.url(),
		"PIZZAPI_TRUSTED_PROXY_CIDRS":             "127.0.0.1/32",
		"PIZZAPI_TRUST_MOBILE_ORIGINS":            "false",
		"PIZZAPI_DISABLE_SIGNUP_AFTER_FIRST_USER": "false", // the agent signs people up; Judge lets nobody else
		"VAPID_PUBLIC_KEY":                        a.secrets.PushPublic,
		"VAPID_PRIVATE_KEY":                       a.secrets.PushPrivate,
	}
}

// Unset names variables that PizzaPi must not get: each would let somebody past the gateway, or
// needs addresses that the gateway does not route.
func Unset() []string {
	return []string{
		"PIZZAPI_EXTRA_ORIGINS", "PIZZAPI_TRUST_PROXY", "PIZZAPI_PROXY_DEPTH", "PIZZAPI_TUNNEL_DOMAIN",
		"PIZZAPI_RUNNER_TOKEN",
	}
}

// Secrets are values that must not reach the log.
func (a *App) Secrets() []string {
	return []string{
		a.redis.url(), a.secrets.BetterAuth, a.secrets.Tunnel, a.secrets.Accounts, a.secrets.PushPrivate,
	}
}

// Redis is the command of the instance's Redis, and what it reads from standard input.
func (a *App) Redis() (command []string, input string) { return a.redis.command() }

// origin is the org's origin, as PizzaPi is told it.
func (a *App) origin() string { return a.base.Scheme + "://" + a.base.Host }
