package console

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
)

// chart is one picture of a history, with the table that says the same.
type chart struct {
	Title, First, Second string
	SVG                  template.HTML
	Rows                 []chartRow
}

type chartRow struct{ At, A, B string }

const chartBins = 60

// chartsOf draws requests, errors and time to serve.
func chartsOf(points []registry.UsagePoint, over usage.Range) []chart {
	bins, step := binned(points, over)
	var requests, errs, p50, p95 []float64
	var at []time.Time
	for _, b := range bins {
		at = append(at, b.At)
		requests = append(requests, float64(b.Requests)/step.Seconds())
		errs = append(errs, float64(b.Errors))
		p50 = append(p50, float64(b.Quantile(0.5).Microseconds())/1000)
		p95 = append(p95, float64(b.Quantile(0.95).Microseconds())/1000)
	}
	return []chart{
		draw("Requests a second", "requests/s", "", at, requests, nil),
		draw("Errors", "answers of 500 and above", "", at, errs, nil),
		draw("Time to serve, ms", "median", "95 %", at, p50, p95),
	}
}

// runningOf draws how many instances ran.
func runningOf(points []registry.UsagePoint, over usage.Range) chart {
	bins, _ := binned(points, over)
	at, running := make([]time.Time, len(bins)), make([]float64, len(bins))
	for i, b := range bins {
		at[i], running[i] = b.At, float64(b.Running)
	}
	return draw("Running servers", "running", "", at, running, nil)
}

// binned joins points to at most chartBins.
func binned(points []registry.UsagePoint, over usage.Range) (bins []registry.UsagePoint, step time.Duration) {
	per := (len(points) + chartBins - 1) / chartBins
	for i := 0; i < len(points); i += per {
		b := points[i]
		for _, p := range points[i+1 : min(i+per, len(points))] {
			b.Usage = b.Plus(p.Usage)
		}
		bins = append(bins, b)
	}
	return bins, over.Step() * time.Duration(per)
}

// draw makes a line chart as SVG: numbers and times only, nothing that anybody typed.
func draw(title, first, second string, at []time.Time, a, b []float64) chart {
	const left, right, top, bottom, width, height = 34.0, 4.0, 8.0, 22.0, 320.0, 140.0
	c := chart{Title: title, First: first, Second: second}
	most := 0.0
	for i := range a {
		most = max(most, a[i])
		if b != nil {
			most = max(most, b[i])
		}
	}
	ceiling := nice(most)
	x := func(i float64) float64 { return left + i*(width-left-right)/float64(len(a)) }
	y := func(v float64) float64 { return top + (1-v/ceiling)*(height-top-bottom) }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="chart" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s, at most %s">`, width, height, template.HTMLEscapeString(title), number(most))
	for _, v := range []float64{0, ceiling / 2, ceiling} {
		fmt.Fprintf(&s, `<line class="axis" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`, left, width-right, y(v), y(v), left-5, y(v)+4, number(v))
	}
	layout := "15:04"
	if len(at) > 1 && at[len(at)-1].Sub(at[0]) > 25*time.Hour {
		layout = "2 Jan"
	}
	for i, anchor := range map[int]string{0: "start", len(at) / 2: "middle", len(at) - 1: "end"} {
		fmt.Fprintf(&s, `<text x="%.1f" y="%.0f" text-anchor="%s">%s</text>`, x(float64(i)+map[string]float64{"end": 1}[anchor]), height-6, anchor, at[i].UTC().Format(layout))
	}
	line := func(v []float64) string {
		var p strings.Builder
		for i := range v {
			fmt.Fprintf(&p, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(float64(i)+0.5), y(v[i]))
		}
		return p.String()
	}
	fmt.Fprintf(&s, `<path class="area" d="%sL%.1f %.1fL%.1f %.1fZ"/><path class="line" d="%s"/>`, line(a), x(float64(len(a))-0.5), y(0), x(0.5), y(0), line(a))
	if b != nil {
		fmt.Fprintf(&s, `<path class="second" d="%s"/>`, line(b))
	}
	for i := range a {
		row := chartRow{At: at[i].UTC().Format("2 Jan 15:04:05"), A: number(a[i])}
		said := number(a[i]) + " " + first
		if b != nil {
			row.B = number(b[i])
			said += ", " + row.B + " " + second
		}
		fmt.Fprintf(&s, `<rect class="hit" x="%.1f" y="%.0f" width="%.1f" height="%.0f"><title>%s: %s</title></rect>`, x(float64(i)), top, (width-left-right)/float64(len(a)), height-top-bottom, row.At, template.HTMLEscapeString(said))
		if a[i] > 0 {
			c.Rows = append(c.Rows, row)
		}
	}
	s.WriteString(`</svg>`)
	c.SVG = template.HTML(s.String()) //nolint:gosec // numbers, times and our own words
	return c
}

// nice rounds up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func number(v float64) string {
	switch {
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// spark is a small line of the requests of an hour.
func spark(bins []int64) template.HTML {
	if len(bins) == 0 {
		return `<span class="soft">none</span>`
	}
	var most, sum int64 = 1, 0
	for _, v := range bins {
		most = max(most, v)
		sum += v
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="spark" viewBox="0 0 96 24" role="img" aria-label="%d requests"><title>%d requests</title><path d="`, sum, sum)
	for i, v := range bins {
		fmt.Fprintf(&s, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], float64(i)*96/float64(max(1, len(bins)-1)), 22-20*float64(v)/float64(most))
	}
	s.WriteString(`"/></svg>`)
	return template.HTML(s.String()) //nolint:gosec // numbers
}
