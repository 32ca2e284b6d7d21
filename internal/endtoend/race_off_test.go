//go:build !race

package endtoend

// The server under test is built as the test is.
var buildFlags []string
