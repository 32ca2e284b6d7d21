package endtoend

import (
	"regexp"
	"strings"
	"testing"
)

var (
	raceAccess = regexp.MustCompile(`(?m)(?:[Rr]ead|[Ww]rite) at 0x\w+ by .*:\n\s*(\S+)`)
	// Caddy counts the bytes of a hijacked connection without a lock, also when it closes the
	// connection while it still copies.
	raceOfCaddy = "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*hijackedConn)."
)

// dataRaces returns the reports of the race detector in what a server printed, but for those
// between two lines of Caddy that are known.
func dataRaces(out string) (found []string) {
	for _, report := range strings.Split(out, "==================\n") {
		if !strings.Contains(report, "DATA RACE") {
			continue
		}
		accesses := raceAccess.FindAllStringSubmatch(report, -1)
		known := len(accesses) == 2
		for _, a := range accesses {
			known = known && strings.HasPrefix(a[1], raceOfCaddy)
		}
		if !known {
			found = append(found, report)
		}
	}
	return found
}

func TestDataRaces(t *testing.T) {
	const rule = "==================\n"
	report := func(read, write string) string {
		return rule + "WARNING: DATA RACE\nRead at 0x00c000548220 by goroutine 849:\n  " + read +
			"()\n      /x.go:304 +0x9c\n\nPrevious write at 0x00c000548220 by goroutine 746:\n  " +
			write + "()\n      /x.go:310 +0xea\n\nGoroutine 849 (running) created at:\n  time.goFunc()\n" +
			rule
	}
	const ours = "github.com/pizzaface/pizzeria/internal/edge.(*Gateway).Serve"
	known := report(raceOfCaddy+"Write", raceOfCaddy+"ReadFrom")
	for name, c := range map[string]struct {
		out  string
		want int
	}{
		"none":        {"listening\n", 0},
		"known":       {"a\n" + known + "b\n", 0},
		"ours":        {report(ours, ours), 1},
		"one is ours": {report(raceOfCaddy+"Write", ours), 1},
		"both kinds":  {known + report(ours, raceOfCaddy+"Write") + known, 1},
		"no accesses": {rule + "WARNING: DATA RACE\n" + rule, 1},
	} {
		if got := dataRaces(c.out); len(got) != c.want {
			t.Errorf("%s: %d reports, want %d", name, len(got), c.want)
		}
	}
}
