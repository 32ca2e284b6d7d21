package provision

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestForeign: what another installation runs in the same place is left alone, and logged once.
func TestForeign(t *testing.T) {
	bubble(t, func(e *env) {
		theirs := Ref{registry.OrgID(registry.NewID()), 3}
		if _, err := e.w.Ensure(context.Background(), Spec{Ref: theirs}); err != nil {
			t.Fatal(err)
		}
		e.w.foreign = map[Ref]registry.InstallationID{theirs: "theirs"}
		var log bytes.Buffer
		end := e.run(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		e.running(e.org("acme"), time.Minute)
		pass(5 * time.Minute)
		end()
		if now := e.w.generations(theirs.OrgID); !slices.Equal(now, []int64{3}) {
			t.Errorf("runs: %v", now)
		}
		if n := strings.Count(log.String(), "another installation"); n != 1 {
			t.Errorf("%d lines in five minutes:\n%s", n, &log)
		}
	})
}
