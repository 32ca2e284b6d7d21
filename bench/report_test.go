package main

import (
	"os"
	"testing"
)

// The README quotes the last run, and nothing else.
func TestReadmeQuotesTheRun(t *testing.T) {
	want, err := withFigures("README.md", "results.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("bench/README.md does not quote bench/results.json: run `go run ./bench -readme`")
	}
}
