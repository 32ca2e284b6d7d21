package docker

import (
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/internal/agent"
)

// Config of a Provider.
type Config struct {
	// Dir is the data directory. The engine must find it at the same path.
	Dir string
	// Host is the engine's address: unix:// and the path of its socket. Default: DefaultHost.
	Host string
	// Image is the image of the instances.
	Image string
	// Command starts the app. Default: the image's entrypoint and command.
	Command []string
	// Data is where the org's data directory is in the container. Default: the image's volume, if it
	// has one, or else /data.
	Data string
	// Tmpfs are directories of the container that may be written to and are forgotten when it ends,
	// besides /tmp.
	Tmpfs []string
	// Env is added to every instance's environment.
	Env map[string]string
	// Sidecars are commands that run beside each instance.
	Sidecars [][]string
	// Profile says how an instance learns who is asking. Default: agent.Direct.
	Profile agent.Profile
	// Required refuses requests without an assertion, except for health checks.
	Required bool
	// Root runs instances as root of their container. It needs userns-remap.
	Root bool
	// Agent is the command of the agent, a static program and its first arguments.
	Agent []string
	// Grace is how long an instance may take to stop.
	Grace time.Duration
	// Pull says when the image is pulled. Default: PullStart.
	Pull Pull
	// Auth is how the registry is told who is asking.
	Auth Auth
	// Egress says which networks instances reach. Default: EgressNone.
	Egress Egress
	// Allow are the rules of EgressAllow; see egress.ParseRules.
	Allow []string
	// Log hears of pulls. Default: nobody.
	Log *slog.Logger
	// SayEvery is how often the log and the people who wait for an instance hear how far a pull is.
	// Default: 5 s.
	SayEvery time.Duration
	// Quiet is how long a pull may stay where it is before people hear since when it does.
	// Default: 30 s.
	Quiet time.Duration
}

// DefaultHost is where Docker listens.
const DefaultHost = "unix:///var/run/docker.sock"

// Pull says when the image is pulled.
type Pull string

// The choices.
const (
	PullStart   Pull = "start"   // when the server starts or its config is loaded, and when it is missing
	PullMissing Pull = "missing" // when it is missing
	PullNever   Pull = "never"
)

// Pulls lists the choices.
func Pulls() []Pull { return []Pull{PullStart, PullMissing, PullNever} }

// Egress says which networks an instance reaches.
type Egress string

// The choices.
const (
	EgressNone  Egress = "none"  // a loopback interface of its own
	EgressAllow Egress = "allow" // what Config.Allow says, through a proxy
)

// Egresses lists the choices.
func Egresses() []Egress { return []Egress{EgressNone, EgressAllow} }

// Auth is how a registry is told who is asking. It shows no password.
type Auth struct {
	// Username and Password are for the image's registry.
	Username, Password string
	// File is a config.json of the docker command, with the credentials of registries.
	File string
}

// String implements fmt.Stringer.
func (Auth) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (Auth) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Auth) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON implements json.Marshaler.
func (Auth) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }
