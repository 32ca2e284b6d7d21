package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/wire"
)

// constants returns the string constants of the types in a file, by name.
func constants(t *testing.T, path string, types ...string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil || len(v.Values) != 1 {
			return true
		}
		for _, name := range types {
			if id, is := v.Type.(*ast.Ident); is && id.Name == name {
				found[v.Names[0].Name], err = strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			}
		}
		return err == nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", path, found, err)
	}
	return found
}

// TestEveryErrorHasAType: each code and reason of the registry, and each code of ours, is in the
// table, once, and the table has no other.
func TestEveryErrorHasAType(t *testing.T) {
	codes := constants(t, "../../registry/errors.go", "Code", "Reason")
	for name, c := range constants(t, "problemtype.go", "Code") {
		codes["wire."+name] = c
	}
	seen := map[wire.Code]bool{}
	for _, pt := range wire.ProblemTypes() {
		if seen[pt.Code] || pt.Title == "" || pt.Meaning == "" || http.StatusText(pt.Status) == "" {
			t.Errorf("%+v", pt)
		}
		seen[pt.Code] = true
	}
	for name, c := range codes {
		if !seen[wire.Code(c)] {
			t.Errorf("%s: %s is not in the table", name, c)
		}
	}
	if len(seen) != len(codes) {
		t.Errorf("%d types, %d codes", len(seen), len(codes))
	}
}

// TestStatusesOfCodes reads the source: a reason has the status of the code that it narrows down,
// and each problem of the gateway names its code, whose status is the problem's.
func TestStatusesOfCodes(t *testing.T) {
	codes := constants(t, "../../registry/errors.go", "Code", "Reason")
	for name, c := range constants(t, "problemtype.go", "Code") {
		codes["wire."+name] = c
	}
	status := func(name string) int {
		pt, _ := wire.TypeOf(wire.Code(codes[name]))
		return pt.Status
	}
	reasons, problems := 0, 0
	for _, dir := range []string{"../../registry", "../../identity", "..", "../../caddymodule"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					because, ok := n.Fun.(*ast.SelectorExpr)
					if !ok || because.Sel.Name != "Because" {
						break
					}
					reasons++
					of := because.X.(*ast.CallExpr)
					if code, reason := last(of.Args[0]), last(n.Args[0]); status(code) != status(reason) || status(code) == 0 {
						t.Errorf("%s: %s is no %s", files.Position(n.Pos()), reason, code)
					}
				case *ast.CompositeLit:
					if last(n.Type) != "Problem" || !strings.Contains(path, "edge/") && !strings.Contains(path, "caddymodule") {
						break
					}
					problems++
					checkProblem(t, files.Position(n.Pos()), n, status)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if reasons < 25 || problems < 30 {
		t.Errorf("only %d reasons and %d problems", reasons, problems)
	}
}

// checkProblem looks at a problem of the gateway.
func checkProblem(t *testing.T, at token.Position, lit *ast.CompositeLit, status func(string) int) {
	t.Helper()
	code, says := "", ""
	for _, e := range lit.Elts {
		kv := e.(*ast.KeyValueExpr)
		switch last(kv.Key) {
		case "Code":
			code = last(kv.Value)
			if _, converted := kv.Value.(*ast.CallExpr); !converted {
				code = "wire." + code
			}
		case "Status":
			says = last(kv.Value)
		}
	}
	want := status(code)
	switch says {
	case "StatusFound", "StatusOK": // no failure
	case "StatusCode": // of Caddy's error
	default:
		if name := "Status" + strings.ReplaceAll(http.StatusText(want), " ", ""); want == 0 || name != says {
			t.Errorf("%s: the code %q has the status %d, the problem %s", at, code, want, says)
		}
	}
}

// last is the last name of an expression: CodeForbidden of web.Code(registry.CodeForbidden).
func last(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		if len(e.Args) == 1 {
			return last(e.Args[0])
		}
	}
	return ""
}
