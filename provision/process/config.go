package process

import (
	"time"

	"github.com/pizzaface/pizzeria/internal/agent"
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
}
