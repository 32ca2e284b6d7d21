package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// micro is what Go benchmarks of the parts say.
type micro struct {
	Raw         float64 `json:"raw_signature_ns"`
	First       float64 `json:"first_token_ns"`
	Repeated    float64 `json:"repeated_token_ns"`
	Allocations float64 `json:"repeated_token_allocs"`
	Org         float64 `json:"bytes_per_cached_org"`
}

// parts runs the benchmarks of internal/edge and registry.
func parts() (m micro, err error) {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^(BenchmarkToken|BenchmarkCachedOrg)$", "./internal/edge", "./registry").CombinedOutput()
	if err != nil {
		return m, fmt.Errorf("go test: %s", out)
	}
	for line, into := range map[string]*float64{
		`BenchmarkToken/raw\S*\s+\d+\s+([\d.]+) ns/op`: &m.Raw, `BenchmarkToken/first\S*\s+\d+\s+([\d.]+) ns/op`: &m.First,
		`BenchmarkToken/repeated\S*\s+\d+\s+([\d.]+) ns/op`: &m.Repeated, `BenchmarkToken/repeated.*\s(\d+) allocs/op`: &m.Allocations, `BenchmarkCachedOrg.*\s([\d.]+) bytes/org`: &m.Org,
	} {
		found := regexp.MustCompile(line).FindSubmatch(out)
		if found == nil {
			return m, fmt.Errorf("no line %q in:\n%s", line, out)
		}
		if *into, err = strconv.ParseFloat(string(found[1]), 64); err != nil {
			return m, err
		}
	}
	return m, nil
}
