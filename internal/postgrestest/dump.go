package postgrestest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

// Dump returns what pg_dump makes of a database, given by its connection string: statements that
// make it again.
func Dump(t testing.TB, url string) []byte {
	t.Helper()
	return run(t, nil, "pg_dump", "--dbname="+url)
}

// Restore runs statements in a database, as those of Dump in an empty one.
func Restore(t testing.TB, url string, dump []byte) {
	t.Helper()
	run(t, dump, "psql", "--dbname="+url, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1")
}

func run(t testing.TB, input []byte, program string, args ...string) []byte {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, program), args...) //nolint:gosec // a test's
	var failed bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = "/", bytes.NewReader(input), &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, failed.String())
	}
	return out
}

// Programs returns the directory of the server's programs.
func Programs(t testing.TB) string {
	t.Helper()
	Require(t)
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
