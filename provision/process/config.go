package process

import (
	"time"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// Config of a Provider.
type Config struct {
	// Dir is the data directory. It must be short enough for Unix sockets below it.
	Dir string
	// Command starts the instance.
	Command []string
	// Env is added to every instance's environment.
	Env map[string]string
	// Sidecars are commands that run beside each instance.
	Sidecars [][]string
	// Profile says how an instance learns who is asking. Default: agent.Direct.
	Profile agent.Profile
	// Required refuses requests without an assertion, except for health checks.
	Required bool
	// Self is the path of the program that runs the server: a Command of it is the same command
	// wherever it lies.
	Self string
	// Shim starts the shim; the run directory is added as its last argument.
	Shim []string
	// Grace is how long an instance may take to stop.
	Grace time.Duration

	// Isolation says whether instances are kept apart. Default: IsolationAuto.
	Isolation Isolation
	// Sandbox is the command that calls sandbox.Enter. Without one nothing is kept apart.
	Sandbox sandbox.Helper
	// Files are what instances that are kept apart may read, besides the system's programs and
	// libraries and the program of Command.
	Files []string
	// Egress says which networks instances that are kept apart reach. Default: EgressNone.
	Egress Egress
	// Allow are the rules of EgressAllow; see egress.ParseRules.
	Allow []string
	// Disk says how the disks of orgs are limited. Default: DiskReserve.
	Disk Disk
	// Proxy is the command that serves a proxy; the socket and the rules are added.
	Proxy []string
}

// Isolation says whether instances are kept apart from each other and from the server.
type Isolation string

// The choices.
const (
	IsolationAuto Isolation = "auto" // where this machine can
	IsolationOn   Isolation = "on"   // or they do not start
	IsolationOff  Isolation = "off"
)

// Isolations lists the choices.
func Isolations() []Isolation { return []Isolation{IsolationAuto, IsolationOn, IsolationOff} }

// Egress says which networks an instance reaches.
type Egress string

// The choices.
const (
	EgressNone Egress = "none" // a loopback interface of its own
	EgressOpen Egress = "open" // all that the server reaches, its own loopback interface included
	// EgressAllow is none but what Config.Allow says, through a proxy.
	EgressAllow Egress = "allow"
)

// Egresses lists the choices.
func Egresses() []Egress { return []Egress{EgressNone, EgressOpen, EgressAllow} }

// Disk says how the disks of orgs are limited.
type Disk string

// The choices.
const (
	DiskReserve Disk = "reserve" // a limit is reserved for its org
	DiskSparse  Disk = "sparse"  // orgs share the machine's disk up to their limits
	DiskOff     Disk = "off"     // no org gets a volume that has none
)

// Disks lists the choices.
func Disks() []Disk { return []Disk{DiskReserve, DiskSparse, DiskOff} }
