package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// The servers that are compared.
const (
	ours  = "org_gateway, signed in"
	plain = "plain reverse_proxy"
	tuned = "plain reverse_proxy, tuned alike"
	again = "plain reverse_proxy again (noise)"
)

type results struct {
	Date        string           `json:"date"`
	Go          string           `json:"go"`
	CPUs        int              `json:"cpus"`
	Connections int              `json:"connections"`
	Servers     map[string]round `json:"servers"`
	// Others are the other scenarios, by their names.
	Others   map[string]map[string]round `json:"others"`
	Created  quantiles                   `json:"org_create_to_first_page"`
	Switched quantiles                   `json:"org_switch"`
	// Lists are the pages of the console and the lists of the API with 1,000 orgs and 10,000 users.
	Lists map[string]quantiles `json:"lists"`
}

type quantiles struct {
	N   int           `json:"n"`
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
}

// table is the figures as Markdown.
func (r results) table() string {
	var b strings.Builder
	base := r.Servers[plain]
	fmt.Fprintf(&b, "| %d connections, 1 KiB, HTTP/1.1 over TLS | requests/s | p50 | p99 | CPU/request | to plain: requests/s | p50 | p99 | CPU |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n", r.Connections)
	for _, name := range []string{ours, plain, tuned, again} {
		v := r.Servers[name]
		fmt.Fprintf(&b, "| %s | %.0f | %.1f ms | %.1f ms | %d µs | %.2f | %.2f | %.2f | %.2f |\n", name, v.PerSecond, ms(v.P50), ms(v.P99), v.CPU.Microseconds(),
			v.PerSecond/base.PerSecond, float64(v.P50)/float64(base.P50), float64(v.P99)/float64(base.P99), float64(v.CPU)/float64(base.CPU))
	}
	if len(r.Others) > 0 {
		fmt.Fprintf(&b, "\n| the same, signed in, to plain (beside it plain to plain) | requests/s | p50 | p99 | CPU |\n| --- | ---: | ---: | ---: | ---: |\n")
		for _, sc := range scenarios[1:] {
			v, base, noise := r.Others[sc.name][ours], r.Others[sc.name][plain], r.Others[sc.name][again]
			both := func(of func(round) float64) string {
				return fmt.Sprintf("%.2f (%.2f)", of(v)/of(base), of(noise)/of(base))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", sc.name, both(func(r round) float64 { return r.PerSecond }), both(func(r round) float64 { return float64(r.P50) }),
				both(func(r round) float64 { return float64(r.P99) }), both(func(r round) float64 { return float64(r.CPU) }))
		}
	}
	fmt.Fprintf(&b, "\n| | p50 | p95 |\n| --- | ---: | ---: |\n| org created, instance started, signed in, first page (%d times) | %.0f ms | %.0f ms |\n| switch to an org not visited before, over five redirects and a new connection (%d times) | %.0f ms | %.0f ms |\n",
		r.Created.N, ms(r.Created.P50), ms(r.Created.P95), r.Switched.N, ms(r.Switched.P50), ms(r.Switched.P95))
	slowest, typical := "", []time.Duration{}
	for path, v := range r.Lists {
		typical = append(typical, v.P50)
		if slowest == "" || v.P95 > r.Lists[slowest].P95 {
			slowest = path
		}
	}
	if slowest != "" {
		fmt.Fprintf(&b, "\nWith 1,000 orgs, 10,000 users and 50,000 audit entries, of %d pages and lists the middle one takes %.1f ms, and the slowest, `%s`, has a p95 of %.0f ms.\n",
			len(r.Lists), ms(quantilesOf(typical).P50), slowest, ms(r.Lists[slowest].P95))
	}
	fmt.Fprintf(&b, "\nMeasured on %s with %s on %d shared CPUs, where load and servers run side by side: only the ratios mean something.\n`go run ./bench && go run ./bench -readme` measures again.\n", r.Date, r.Go, r.CPUs)
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

const open, end = "<!-- bench -->\n", "<!-- /bench -->"

func updateReadme(readme, file string) error {
	text, err := withFigures(readme, file)
	if err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(text), 0o600)
}

// withFigures returns the README with a run's figures in their place.
func withFigures(readme, file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("no run to quote: %w", err)
	}
	var r results
	if err := json.Unmarshal(b, &r); err != nil {
		return "", err
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return "", err
	}
	before, rest, ok := strings.Cut(string(text), open)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("%s has no place for the figures", readme)
	}
	return before + open + r.table() + end + after, nil
}
