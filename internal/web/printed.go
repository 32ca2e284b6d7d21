package web

import (
	"context"
	"io"

	"github.com/pizzaface/pizzeria/registry"
)

// Logs reads what an org's instance prints: its newest lines, and with follow what comes.
type Logs func(
	ctx context.Context, org registry.OrgID, lines int, follow bool,
) (io.ReadCloser, error)

const (
	printedLines = 10
	printedBytes = 4 << 10
)

// Printed returns the last lines that the instance of an org printed, when it ought
// to run and is not healthy, and the actor may read its log; otherwise "". They are
// read when they are asked for, and stored nowhere: they may hold secrets.
func Printed(ctx context.Context, logs Logs, a registry.Actor, v registry.OrgView) string {
	i := v.Instance
	healthy := i.Desired != registry.DesiredRunning || i.State == registry.InstanceRunning
	if healthy || !registry.Allows(a, v.Role, registry.ActionInstanceLogs) {
		return ""
	}
	log, err := logs(ctx, v.ID, printedLines, false)
	if err != nil {
		return ""
	}
	defer func() { _ = log.Close() }()
	b, _ := io.ReadAll(io.LimitReader(log, 1<<20)) // a picture: half of it is better than none
	return registry.CleanLines(string(b), printedBytes)
}
