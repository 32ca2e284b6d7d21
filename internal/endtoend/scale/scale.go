// Package scale sizes long and large runs, and keeps what they come to.
package scale

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Full reports whether the long and large runs are to have their whole size:
// PIZZERIA_TEST_SCALE=full. Their results are then kept in bench/results.
func Full() bool { return os.Getenv("PIZZERIA_TEST_SCALE") == "full" }

// Of returns how large a run is: small, or whole.
func Of[T any](t *testing.T, what string, small, whole T) T {
	t.Helper()
	n := small
	if Full() {
		n = whole
	}
	t.Logf("size: %v %s (whole: %v)", n, what, whole)
	return n
}

// Keep prints what a run came to, and keeps it when the run was whole.
func Keep(t *testing.T, came map[string]any) {
	t.Helper()
	all := map[string]any{
		"test": t.Name(), "date": time.Now().UTC().Format(time.DateOnly),
		"go": runtime.Version(), "cpus": runtime.NumCPU(),
	}
	maps.Copy(all, came)
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", b)
	if !Full() || t.Failed() {
		return
	}
	dir, err := results()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, t.Name()+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // of a subtest
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// results is bench/results of the repository that the test runs in.
func results() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		at := filepath.Join(dir, "bench", "results")
		if i, err := os.Stat(at); err == nil && i.IsDir() {
			return at, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no bench/results here")
		}
		dir = up
	}
}
