//go:build linux || darwin

package hostside

import (
	"context"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// The sockets of an instance in its run directory.
const (
	AppSocket = "app.sock"
	OwnSocket = "agent.sock"
)

// answerTime is how long a socket may take to accept.
const answerTime = time.Second

// Running returns a socket at which something answers in one of the run directories that match, or "".
// Providers of this machine that share a data directory do not see each other's instances otherwise:
// two must not share an org's data.
func Running(ctx context.Context, pattern string) string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return ""
	}
	for _, dir := range dirs {
		for _, name := range []string{AppSocket, OwnSocket} {
			path := filepath.Join(dir, name)
			ctx, cancel := context.WithTimeout(ctx, answerTime)
			c, err := sockets.Dial(ctx, path)
			cancel()
			if err == nil {
				_ = c.Close()
				return path
			}
		}
	}
	return ""
}
