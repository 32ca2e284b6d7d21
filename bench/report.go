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
	Date        string           `json:"date,omitzero"`
	Go          string           `json:"go,omitzero"`
	CPUs        int              `json:"cpus,omitzero"`
	Connections int              `json:"connections,omitzero"`
	Servers     map[string]round `json:"servers,omitzero"`
	// Others are the other scenarios, by their names.
	Others   map[string]map[string]round `json:"others,omitzero"`
	Created  quantiles                   `json:"org_create_to_first_page,omitzero"`
	Switched quantiles                   `json:"org_switch,omitzero"`
	// Neighbours is an org's load alone, and beside another that is saturated.
	Neighbours  map[string]round   `json:"neighbours,omitzero"`
	Revocations revocations        `json:"revocations,omitzero"`
	Reloads     map[string]reloads `json:"reloads,omitzero"`
	Sockets     map[string]idle    `json:"idle_websockets,omitzero"`
	Many        many               `json:"many_orgs,omitzero"`
	Parts       micro              `json:"parts,omitzero"`
	SignIns     signIns            `json:"sign_ins,omitzero"`
	// Lists are the pages of the console and the lists of the API with 1,000 orgs and 10,000 users.
	Lists map[string]quantiles `json:"lists,omitzero"`
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
	r.limits(&b)
	fmt.Fprintf(&b, "\nMeasured on %s with %s on %d shared CPUs, where load and servers run side by side: only the ratios mean something.\n`go run ./bench && go run ./bench -readme` measures again.\n", r.Date, r.Go, r.CPUs)
	return b.String()
}

// limits are the figures beside the comparison.
func (r results) limits(b *strings.Builder) {
	if r.Parts.Raw == 0 {
		return
	}
	row := func(what, format string, args ...any) {
		fmt.Fprintf(b, "| %s | "+format+" |\n", append([]any{what}, args...)...)
	}
	fmt.Fprint(b, "\n| | |\n| --- | --- |\n")
	few, large, noise := r.Many.Rounds["few"], r.Many.Rounds["many"], r.Many.Rounds["few again"]
	row(fmt.Sprintf("%d orgs, all asked for a minute ago and %d in use, to 10 orgs (beside it 10 to 10)", r.Many.Orgs, hot), "requests/s %.2f (%.2f), p99 %.2f (%.2f), memory %+.0f MiB", large.PerSecond/few.PerSecond, noise.PerSecond/few.PerSecond,
		float64(large.P99)/float64(few.P99), float64(noise.P99)/float64(few.P99), float64(r.Many.Memory["many"]-r.Many.Memory["few"])/(1<<20))
	row("an org in memory", "%.0f bytes", r.Parts.Org)
	row("first sight of a token, to its signature check alone", "%.2f", r.Parts.First/r.Parts.Raw)
	row("every later sight", "%.2f µs, %.0f allocations", r.Parts.Repeated/1000, r.Parts.Allocations)
	row(fmt.Sprintf("%d idle WebSockets", r.Sockets[ours].Open), "%.1f KiB each, plain %.1f; lost: %d, plain %d", float64(r.Sockets[ours].Bytes)/1024, float64(r.Sockets[plain].Bytes)/1024, r.Sockets[ours].Lost, r.Sockets[plain].Lost)
	row(fmt.Sprintf("revocation, p99 of %d", r.Revocations.N), "WebSocket closed after %.0f ms, token refused after %.0f ms", ms(r.Revocations.Closed), ms(r.Revocations.Refused))
	o, p := r.Reloads[ours], r.Reloads[plain]
	row(fmt.Sprintf("%d reloads, ordinary listener", o.Reloads), "%d of %d new connections failed, plain %d of %d; with handed-in sockets and `drain` none (`bench/results`)", o.Failed, o.Connections, p.Failed, p.Connections)
	si := r.SignIns
	row("signing in, the password's hash (argon2id, 19 MiB)", "%.0f ms of %.0f ms in all (p50; p95 %.0f of %.0f)", ms(si.Hash.P50), ms(si.One.P50), ms(si.Hash.P95), ms(si.One.P95))
	row(fmt.Sprintf("%d people sign in at once", si.Crowd), "in %.0f s: %d in, %d over a limit (429), %d beyond the queue (503); memory %+.0f MiB; an org beside them p50 %.1f ms and p99 %.0f ms, alone %.1f and %.1f", si.Took, si.Answers[303], si.Answers[429], si.Answers[503],
		float64(si.Memory)/(1<<20), ms(si.Beside.P50), ms(si.Beside.P99), ms(si.Alone.P50), ms(si.Alone.P99))
	for _, n := range []struct{ while, beside string }{
		{"another org's instance hangs", ""}, {"another org is over its limit", "plain, as many requests"}, {"somebody floods unknown hosts", "plain, a flood of hosts"},
	} {
		p99 := func(name, alone string) float64 {
			return float64(r.Neighbours[name].P99) / float64(r.Neighbours[alone].P99)
		}
		text := fmt.Sprintf("p99 %.2f of alone (alone again %.2f)", p99(n.while, "alone"), p99("alone again", "alone"))
		if n.beside != "" {
			text += fmt.Sprintf("; with the same loads plain Caddy, which has no limit, %.2f", p99(n.beside, "plain alone"))
		}
		row(fmt.Sprintf("an org at %d requests/s while %s", quietRate, n.while), "%s", text)
	}
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
