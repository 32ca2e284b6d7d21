//go:build !linux

package docker

import (
	"context"
	"fmt"
	"runtime"

	"github.com/pizzaface/pizzeria/provision"
)

// New returns an error: Unix sockets of containers are reached on the machine of the engine alone.
func New(Config) (provision.Provider, error) {
	return nil, fmt.Errorf("the docker provider needs Linux, and this is %s: run the server in a "+
		"container there", runtime.GOOS)
}

// StopAll finds none.
func StopAll(context.Context, string, string) (stopped int, err error) { return 0, nil }
