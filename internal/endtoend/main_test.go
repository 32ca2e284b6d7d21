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
	"slices"
	"testing"
)

// binary is the program under test.
var binary string

// parallel is how many tests run at once, unless -parallel says otherwise. They
// wait more than they compute, so more of them than cores are in flight.
const parallel = "8"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 { // as an instance
		switch os.Args[1] {
		case "mirror":
			mirror()
			return
		case "raw":
			raw()
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
	binary = filepath.Join(dir, "pizzeria")
	for output, command := range map[string]string{
		binary: "./cmd/pizzeria", filepath.Join(dir, "pizzeria-agent"): "./cmd/agent",
	} {
		build := exec.Command("go", slices.Concat([]string{"build"}, buildFlags, []string{"-o", output, command})...)
		build.Dir = "../.." // the main module: this one cannot build its commands
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 0, fmt.Errorf("building %s: %w", command, err)
		}
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
