//go:build !linux && !darwin

package process

import (
	"fmt"
	"runtime"

	"github.com/pizzaface/pizzeria/provision"
)

var errUnsupported = fmt.Errorf("the process provider needs Linux or macOS, and this is %s: run the server there; the command line works here with --server", runtime.GOOS)

// New returns an error: instances need process groups, file locks and Unix sockets.
func New(Config) (provision.Provider, error) { return nil, errUnsupported }

// Shim returns an error, as New does.
func Shim(...string) error { return errUnsupported }
