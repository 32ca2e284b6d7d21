// Package endtoend tests the real binary from outside: over TLS, with its CLI,
// in a browser, and as an attacker.
//
// Tests run in parallel, each against a server of its own in a directory of its
// own. A test that measures, or that needs the machine for itself, does not call
// t.Parallel: such tests run first, one after the other. What is expensive and
// holds no state of a test is shared: the binary, the certificate authority and
// the browser's process.
package endtoend

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

// binary is the program under test, and what its CLI is run from: the same, without the race
// detector, that makes half a second of each start.
var binary, cli string

// parallel is how many tests run at once, unless -parallel says otherwise. They
// wait as much as they compute, so more of them than cores are in flight.
var parallel = strconv.Itoa(2 * runtime.NumCPU())

func TestMain(m *testing.M) {
	if len(os.Args) > 1 { // as an instance
		switch os.Args[1] {
		case "mirror":
			mirror()
			return
		case "raw":
			raw()
			return
		case "greedy":
			greedy()
			return
		case "workers":
			workerApp()
			return
		}
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", parallel); err != nil {
			return 0, err
		}
	}
	// The race detector's runtime sleeps for a second at the end of each process.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "pz")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := build(dir); err != nil {
		return 0, err
	}
	if err := createAuthorities(dir); err != nil {
		return 0, err
	}
	defer browser.close()
	code = m.Run()
	if races := endCommon(); races != "" {
		return 1, errors.New(races)
	}
	return code, nil
}

// build builds the server, its CLI and the agent. Only the server is watched by the race detector:
// of the others many are started, and their own packages' tests watch them.
func build(dir string) error {
	binary, cli = filepath.Join(dir, "pizzeria"), filepath.Join(dir, "pizzeria")
	builds := [][]string{{"-o", filepath.Join(dir, "pizzeria-agent"), "./cmd/agent"}}
	if len(buildFlags) > 0 {
		cli = filepath.Join(dir, "cli", "pizzeria")
		builds = append(builds, []string{"-o", cli, "./cmd/pizzeria"})
	}
	builds = append(builds, slices.Concat(buildFlags, []string{"-o", binary, "./cmd/pizzeria"}))
	for _, args := range builds {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Dir = "../.." // the main module: this one cannot build its commands
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building %s: %w", args[len(args)-1], err)
		}
	}
	return nil
}
