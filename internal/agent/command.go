//go:build linux || darwin

package agent

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/registry"
)

const usage = `usage: %[1]s [options] -- command [args...]

Runs an app as an instance, wherever Pizzeria's providers do not start it themselves: in a container,
or beside an app that is there already. It checks the assertion of each request and passes the
request to the app, which listens at 127.0.0.1:$PORT.

  --profile name     how the app learns who is asking: assertion (default), bearer,
                     trusted-headers; pizzapi, for PizzaPi, with redis-server in $PATH; or direct,
                     where the app listens itself
  --required         refuse requests without an assertion, except for health checks
  --listen address   where to listen, unix:/path or host:port; default: $PIZZERIA_LISTEN
  --health path      the app's health check; default: /healthz
  --metrics path     the app's metrics; default: /metrics
  --sidecar command  run this as well, split at spaces, or a JSON array of words; may be repeated
  --secret name      keep the value of this variable out of the log; may be repeated
  --socket path      answer heartbeats, metrics and revocations here; needs
                     $PIZZERIA_AGENT_CREDENTIAL, which the app does not get
  --egress path      lead the app to the proxy at this Unix socket, by HTTP_PROXY and so on
  --redis path       lead the app to the Redis at this Unix socket, by PIZZERIA_REDIS_URL
  --log path         write the log to this file, of which 3 old ones are kept at 10 MiB each
  --grace duration   how long the app may take to stop; default: 10s
  --version          print the version
  --help             print this

The environment names the instance: PIZZERIA_ORG_ID and PIZZERIA_ORG_GENERATION. All profiles but
direct need PIZZERIA_ISSUER as well, and PIZZERIA_JWKS_FILE, or PIZZERIA_JWKS_URI with
PIZZERIA_CA_FILE. The app gets all of it, and PORT and HOST. With PIZZERIA_HEARTBEAT_URL and
PIZZERIA_INSTANCE_TOKEN, which the app does not get, the agent pushes a heartbeat every 10 s.

What the app prints becomes lines of JSON on standard output or in the log, with secrets redacted. SIGTERM and
SIGINT close WebSockets and stop the app; SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on. The exit
status is the app's, 128 and the signal's number if a signal ended it, 1 if it could not be started,
or 2 for wrong use.
`

const (
	defaultGrace       = 10 * time.Second
	credentialVariable = "PIZZERIA_AGENT_CREDENTIAL" //nolint:gosec // a name
)

// Main is the agent as a command. It returns the exit status.
func Main(program string, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, os.Environ())
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintf(stdout, usage, program)
		return 0
	case errors.Is(err, errVersion):
		_, _ = fmt.Fprintln(stdout, Version())
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%s: %v\nSee %s --help.\n", program, err, program)
		return 2
	}
	if err := hide(); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return 1
	}
	o.Log = stdout
	if o.log != "" {
		out := OpenLog(o.log)
		defer func() { _ = out.Close() }()
		o.Log = out
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGUSR1, syscall.SIGUSR2)
	a, err := Start(o.Config)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return 1
	}
	go func() {
		for s := range signals {
			switch s := s.(syscall.Signal); s { //nolint:forcetypeassert // all are, here
			case syscall.SIGTERM, syscall.SIGINT:
				go a.Stop(o.grace)
			default:
				a.Signal(s)
			}
		}
	}()
	status := a.Wait()
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

var errVersion = errors.New("print the version")

// invocation is what the arguments and the environment say.
type invocation struct {
	Config
	grace   time.Duration
	log     string // file; "": standard output
	version bool
}

func parse(args, environ []string) (c invocation, err error) {
	f := options(&c)
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if c.version {
		return c, errVersion
	}
	c.Env = map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		c.Env[name] = value
	}
	c.Command, c.Data = f.Args(), c.Env["PIZZERIA_DATA_DIR"]
	if c.Listen == "" {
		c.Listen = c.Env["PIZZERIA_LISTEN"]
	}
	c.Credential = c.Env[credentialVariable]
	c.PushURL, c.PushToken, c.PushCA = c.Env[urlVariable], c.Env[tokenVariable], c.Env[caVariable]
	for _, name := range []string{credentialVariable, urlVariable, tokenVariable} {
		delete(c.Env, name)
	}
	if err := c.identify(); err != nil {
		return c, err
	}
	return c, c.complete()
}

func options(c *invocation) *flag.FlagSet {
	f := flag.NewFlagSet("agent", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar((*string)(&c.Profile), "profile", string(Assertion), "")
	f.BoolVar(&c.Required, "required", false, "")
	f.StringVar(&c.Listen, "listen", "", "")
	f.StringVar(&c.Health, "health", "", "")
	f.StringVar(&c.Metrics, "metrics", "", "")
	f.StringVar(&c.Socket, "socket", "", "")
	f.StringVar(&c.Egress, "egress", "", "")
	f.StringVar(&c.Redis, "redis", "", "")
	f.StringVar(&c.log, "log", "", "")
	f.DurationVar(&c.grace, "grace", defaultGrace, "")
	f.BoolVar(&c.version, "version", false, "")
	f.Func("sidecar", "", func(v string) error {
		words := strings.Fields(v)
		if strings.HasPrefix(v, "[") {
			if err := json.Unmarshal([]byte(v), &words); err != nil {
				return fmt.Errorf("it is not a JSON array of words: %w", err)
			}
		}
		c.Sidecars = append(c.Sidecars, words)
		return nil
	})
	f.Func("secret", "", func(v string) error {
		c.Secrets = append(c.Secrets, v)
		return nil
	})
	return f
}

// identify reads from the environment which instance this is.
func (c *Config) identify() error {
	var missing []string
	names := []string{"PIZZERIA_ORG_ID", "PIZZERIA_ORG_GENERATION"}
	if c.Profile != Direct { // which checks no assertion
		names = append(names, "PIZZERIA_ISSUER")
	}
	for _, name := range names {
		if c.Env[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not set: %s", strings.Join(missing, ", "))
	}
	c.OrgID, c.Issuer = registry.OrgID(c.Env["PIZZERIA_ORG_ID"]), c.Env["PIZZERIA_ISSUER"]
	var err error
	if c.Generation, err = strconv.ParseInt(c.Env["PIZZERIA_ORG_GENERATION"], 10, 64); err != nil {
		return fmt.Errorf("PIZZERIA_ORG_GENERATION: %w", err)
	}
	if c.Profile != Direct {
		c.Keys, err = assertion.KeysOf(func(name string) string { return c.Env[name] })
	}
	return err
}
