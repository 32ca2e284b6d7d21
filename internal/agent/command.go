//go:build linux || darwin

package agent

import (
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
  --sidecar command  run this as well, split at spaces; may be repeated
  --secret name      keep the value of this variable out of the log; may be repeated
  --socket path      answer heartbeats, metrics and revocations here; needs
                     $PIZZERIA_AGENT_CREDENTIAL, which the app does not get
  --grace duration   how long the app may take to stop; default: 10s
  --version          print the version
  --help             print this

The environment names the instance: PIZZERIA_ORG_ID, PIZZERIA_ORG_GENERATION, PIZZERIA_ISSUER, and
PIZZERIA_JWKS_FILE, or PIZZERIA_JWKS_URI with PIZZERIA_CA_FILE. The app gets it, and PORT and HOST.

What the app prints becomes lines of JSON on standard output, with secrets redacted. SIGTERM and
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
	c, grace, err := parse(args, os.Environ())
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
	c.Log = stdout
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGUSR1, syscall.SIGUSR2)
	a, err := Start(c)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return 1
	}
	go func() {
		for s := range signals {
			switch s := s.(syscall.Signal); s { //nolint:forcetypeassert // all are, here
			case syscall.SIGTERM, syscall.SIGINT:
				go a.Stop(grace)
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

// parse returns what the arguments and the environment say.
func parse(args, environ []string) (c Config, grace time.Duration, err error) {
	version := false
	f := options(&c, &grace, &version)
	if err := f.Parse(args); err != nil {
		return c, 0, err
	}
	if version {
		return c, 0, errVersion
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
	delete(c.Env, credentialVariable)
	if err := c.identify(); err != nil {
		return c, 0, err
	}
	return c, grace, c.complete()
}

func options(c *Config, grace *time.Duration, version *bool) *flag.FlagSet {
	f := flag.NewFlagSet("agent", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar((*string)(&c.Profile), "profile", string(Assertion), "")
	f.BoolVar(&c.Required, "required", false, "")
	f.StringVar(&c.Listen, "listen", "", "")
	f.StringVar(&c.Health, "health", "", "")
	f.StringVar(&c.Metrics, "metrics", "", "")
	f.StringVar(&c.Socket, "socket", "", "")
	f.DurationVar(grace, "grace", defaultGrace, "")
	f.BoolVar(version, "version", false, "")
	f.Func("sidecar", "", func(v string) error {
		c.Sidecars = append(c.Sidecars, strings.Fields(v))
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
	for _, name := range []string{"PIZZERIA_ORG_ID", "PIZZERIA_ORG_GENERATION", "PIZZERIA_ISSUER"} {
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
