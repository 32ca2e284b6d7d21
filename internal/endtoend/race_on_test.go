//go:build race

package endtoend

// The server under test is built as .ci/run builds the tests: SQLite itself is not watched.
var buildFlags = []string{
	"-race", "-gcflags=modernc.org/...=-d=checkptr=0",
	"-gcflags=modernc.org/sqlite/lib=-race=false",
}
