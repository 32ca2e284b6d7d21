package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

type usagePoint struct {
	registry.UsagePoint
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
}

func (c *client) usage() *cobra.Command {
	var over string
	u := c.on("usage [org]", "Shows how much an org is used, or all of them", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/usage"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		return c.show("GET", path+"?range="+over, nil, func(w io.Writer, b []byte) error {
			var v struct{ Items []usagePoint }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			fmt.Fprintln(w, "FROM\tREQUESTS\tERRORS\tP50 MS\tP95 MS")
			for _, p := range v.Items {
				if p.Requests > 0 {
					fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\n", when(p.At), p.Requests, p.Errors, p.P50, p.P95)
				}
			}
			return nil
		})
	})
	u.Flags().StringVar(&over, "range", "hour", "hour, day or week")
	return u
}

func (c *client) platform() *cobra.Command {
	return &cobra.Command{Use: "platform", Short: "Counts what there is, and what is left of the machine", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return c.show("GET", "/platform", nil, func(w io.Writer, b []byte) error {
			var v struct {
				registry.Totals
				Isolation string
				Capacity  struct {
					CPUs   int
					Load   float64
					Memory int64 `json:"memory_available_bytes"`
					Disk   int64 `json:"disk_available_bytes"`
				}
			}
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			for _, s := range slices.Sorted(maps.Keys(v.Orgs)) {
				fmt.Fprintf(w, "orgs %s\t%d\n", s, v.Orgs[s])
			}
			fmt.Fprintf(w, "users\t%d\nsessions\t%d\n", v.Users, v.Sessions)
			fmt.Fprintf(w, "load\t%.2f on %d CPUs\nmemory left\t%d MiB\ndisk left\t%d MiB\nisolation\t%s\n", v.Capacity.Load, v.Capacity.CPUs, v.Capacity.Memory>>20, v.Capacity.Disk>>20, v.Isolation)
			return nil
		})
	}}
}
