package caddymodule_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestJSONReference: docs/reference/json.md is what the modules' own comments say.
func TestJSONReference(t *testing.T) {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			f, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/pizzaface/pizzeria/caddymodule")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]*doc.Type{}
	for _, typ := range p.Types {
		docs[typ.Name] = typ
	}
	var b strings.Builder
	b.WriteString("# The configuration in JSON\n\nWhat a Caddyfile becomes (`pizzeria adapt`), and what Caddy's API takes: every module of ours, by its ID, with the fields of its JSON. Made from the code.\n")
	found := 0
	for _, info := range caddy.Modules() {
		m, err := caddy.GetModule(info)
		if err != nil {
			t.Fatal(err)
		}
		typ := reflect.TypeOf(m.New())
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		d, ok := docs[typ.Name()]
		if !ok || typ.PkgPath() != "github.com/pizzaface/pizzeria/caddymodule" {
			continue
		}
		found++
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n", info, oneLine(d.Doc))
		fields := d.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType).Fields.List
		rows := ""
		for _, f := range fields {
			if f.Tag == nil {
				continue
			}
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if f.Doc.Text() == "" {
				t.Errorf("%s.%s says nothing", typ.Name(), name)
			}
			rows += fmt.Sprintf("| `%s` | %s |\n", name, oneLine(f.Doc.Text()))
		}
		if rows != "" {
			b.WriteString("\n| field | what |\n| --- | --- |\n" + rows)
		}
	}
	if found < 13 {
		t.Errorf("only %d modules were found", found)
	}
	const path = "../docs/reference/json.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s is not what the code says: run go test ./caddymodule -update", path)
	}
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
