package process

import "time"

// Config of a Provider.
type Config struct {
	// Dir is the data directory. It must be short enough for Unix sockets below it.
	Dir string
	// Command starts the instance.
	Command []string
	// Env is added to every instance's environment.
	Env map[string]string
	// Self is the path of the program that runs the server: a Command of it is the same command
	// wherever it lies.
	Self string
	// Shim starts the shim; the run directory is added as its last argument.
	Shim []string
	// Grace is how long an instance may take to stop.
	Grace time.Duration
}
