package api

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pizzaface/pizzeria/internal/wire"
)

var update = flag.Bool("update", false, "write the reference instead of comparing it")

// TestReference: the OpenAPI document and the table of routes in docs are what the code declares.
func TestReference(t *testing.T) {
	a := &API{}
	a.declare(http.NewServeMux())
	document, err := a.huma.OpenAPI().YAML()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "../../docs/reference/openapi.yaml", string(document))

	rows := "| call | what | who may |\n| --- | --- | --- |\n"
	for _, rt := range a.routes {
		item := a.huma.OpenAPI().Paths[rt.Pattern]
		op := map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete}[rt.Method]
		_, who, _ := strings.Cut(op.Description, "Who may: ")
		rows += fmt.Sprintf("| `%s %s` | %s | %s |\n", rt.Method, strings.TrimPrefix(rt.Pattern, prefix), op.Summary, strings.TrimSuffix(who, "."))
	}
	compareBetween(t, "../../docs/reference/api.md", "routes", rows)
}

// TestReferenceOfProblems: the table of problems in docs is that of the code.
func TestReferenceOfProblems(t *testing.T) {
	rows := "| code | status | meaning |\n| --- | --- | --- |\n"
	for _, pt := range wire.ProblemTypes() {
		rows += fmt.Sprintf("| `%s` | %d | %s |\n", pt.Code, pt.Status, pt.Meaning)
	}
	compareBetween(t, "../../docs/reference/problems.md", "problems", rows)
}

// compareBetween compares what is between two marks of a page.
func compareBetween(t *testing.T, path, mark, rows string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	before, rest, ok1 := strings.Cut(string(text), from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the %s", path, mark)
	}
	compare(t, path, before+from+rows+to+after)
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the code declares: run go test ./internal/api -update", path)
	}
}

// TestOperations: each has a name of its own, a summary, and says who may.
func TestOperations(t *testing.T) {
	seen := map[string]bool{}
	a := &API{}
	a.declare(http.NewServeMux())
	known := map[string]bool{}
	for _, tag := range a.huma.OpenAPI().Tags {
		known[tag.Name] = true
	}
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			if op.Summary == "" || op.OperationID == "" || seen[op.OperationID] || op.Responses["4XX"] == nil || op.Responses["5XX"] == nil {
				t.Errorf("%s %s is not described: %+v", method, path, op)
			}
			for _, tag := range op.Tags {
				if !known[tag] {
					t.Errorf("%s %s: the tag %s is not described", method, path, tag)
				}
			}
			seen[op.OperationID] = true
		}
	}
	if len(seen) < 30 || len(seen) != len(a.routes) {
		t.Errorf("%d operations, %d routes", len(seen), len(a.routes))
	}
}
