package endtoend

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// full reports whether the long and large runs are to have their whole size:
// PIZZERIA_TEST_SCALE=full. Their results are then kept in bench/results.
func full() bool { return os.Getenv("PIZZERIA_TEST_SCALE") == "full" }

// scaled returns how large a run is: small, or whole.
func scaled[T any](t *testing.T, what string, small, whole T) T {
	t.Helper()
	n := small
	if full() {
		n = whole
	}
	t.Logf("size: %v %s (whole: %v)", n, what, whole)
	return n
}

// keep prints what a run came to, and keeps it when the run was whole.
func keep(t *testing.T, results map[string]any) {
	t.Helper()
	all := map[string]any{"test": t.Name(), "date": time.Now().UTC().Format(time.DateOnly), "go": runtime.Version(), "cpus": runtime.NumCPU()}
	maps.Copy(all, results)
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", b)
	if !full() || t.Failed() {
		return
	}
	path := filepath.Join("../../bench/results", t.Name()+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // of a subtest
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
