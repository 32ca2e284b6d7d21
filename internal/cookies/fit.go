// Package cookies fits the cookies of a request into a limit.
package cookies

import (
	"iter"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// separator is between two cookies of a Cookie header (RFC 6265, section 4.2.1).
const separator = "; "

// Cut is what was taken out of a request's cookies.
type Cut struct{ Cookies, Bytes int }

// Fit returns the cookies of Cookie header lines without the largest, as few as need to go for the
// rest to fit into limit bytes of one line. Of equal size, the later ones go. The rest keep their
// order. Those that are skipped are neither counted nor returned. It needs memory for the limit, not
// for what was sent.
func Fit(lines []string, limit int, skip func(cookie string) bool) (keep []string, cut Cut) {
	size := -len(separator)
	for c := range each(lines, skip) {
		size += len(c) + len(separator)
	}
	t := threshold{largest: limit, equal: 1}
	if size > limit {
		t = thresholdOf(lines, limit, skip)
	}
	for c := range each(lines, skip) {
		if t.takes(len(c)) {
			keep = append(keep, c)
			continue
		}
		cut.Cookies++
		cut.Bytes += len(c)
	}
	return keep, cut
}

// each returns the cookies of Cookie header lines.
func each(lines []string, skip func(string) bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for part := range strings.SplitSeq(line, ";") {
				if part = ascii.Trim(part); part != "" && !skip(part) && !yield(part) {
					return
				}
			}
		}
	}
}

// threshold takes what is smaller than the largest size, and so many that are equal to it.
type threshold struct{ largest, equal int }

func thresholdOf(lines []string, limit int, skip func(string) bool) threshold {
	counts := make([]uint32, limit+1) // of each size that can fit
	for c := range each(lines, skip) {
		if len(c) <= limit {
			counts[len(c)]++
		}
	}
	left := limit + len(separator)
	for size, n := range counts {
		each := size + len(separator)
		if fit := left / each; fit < int(n) {
			return threshold{size, fit}
		}
		left -= int(n) * each
	}
	return threshold{largest: limit + 1}
}

func (t *threshold) takes(size int) bool {
	if size == t.largest {
		t.equal--
		return t.equal >= 0
	}
	return size < t.largest
}
