package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pizzaface/pizzeria/registry"
)

var heartbeatTable = table[registry.Heartbeat]{
	{"VERSION", func(h registry.Heartbeat) string { return orDash(h.Version) }},
	{"HEALTH", func(h registry.Heartbeat) string { return h.Health }},
	{"BUSY", func(h registry.Heartbeat) string { return yes(h.Busy) }},
	{"MEMORY", func(h registry.Heartbeat) string { return bytesOf(h.Memory) }},
	{"DISK", func(h registry.Heartbeat) string { return bytesOf(h.Disk) }},
	{"CPU", func(h registry.Heartbeat) string { return fmt.Sprintf("%.1fs", h.CPU) }},
	{"CONNECTIONS", func(h registry.Heartbeat) string { return strconv.Itoa(h.Sockets) }},
	{"SESSIONS", func(h registry.Heartbeat) string { return numberOf(h.Sessions) }},
	{"RUNNERS", func(h registry.Heartbeat) string { return numberOf(h.Runners) }},
	{"HEARTBEAT", func(h registry.Heartbeat) string { return when(h.ReceivedAt) }},
}

// showHeartbeat prints what an instance said of itself last.
func showHeartbeat(w io.Writer, h *registry.Heartbeat) error {
	if h == nil {
		return nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	return heartbeatTable.show(w, b)
}

// memoryOf is what an instance uses, as it said last.
func memoryOf(i registry.Instance) string {
	if i.Heartbeat == nil {
		return "-"
	}
	return bytesOf(i.Heartbeat.Memory)
}

func busyOf(i registry.Instance) string {
	if i.Heartbeat == nil {
		return "-"
	}
	return yes(i.Heartbeat.Busy)
}

func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func numberOf(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *client) instanceMetrics() *cobra.Command {
	return c.on("metrics <org>", "Prints the metrics of an org's instance for Prometheus",
		cobra.ExactArgs(1), func(args []string) error {
			body, err := c.open("GET", orgPath(args[0])+"/instance/metrics", nil)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			return copyLog(os.Stdout, body, term.IsTerminal(int(os.Stdout.Fd())))
		})
}
