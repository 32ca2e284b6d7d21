//go:build linux || darwin

package agent

import (
	"io"

	"github.com/DeRuina/timberjack"
)

// OpenLog returns a log in a file, which it rotates: 3 old ones of 10 MiB are kept.
func OpenLog(path string) io.WriteCloser {
	return &timberjack.Logger{Filename: path, MaxSize: 10, MaxBackups: 3, FileMode: 0o600}
}
