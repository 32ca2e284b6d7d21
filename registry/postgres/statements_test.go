package postgres_test

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// TestStatements: PostgreSQL accepts every constant statement of sqlstore, including those that only
// run after a fault or in a rare race.
func TestStatements(t *testing.T) {
	c, err := pgx.Connect(t.Context(), postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	list := statements(t)
	for statement, where := range list {
		if _, err := c.Prepare(t.Context(), "", postgres.Translate(statement)); err != nil {
			t.Errorf("%s: %v\n%s", where, err, statement)
		}
	}
	if len(list) < 300 {
		t.Errorf("only %d statements", len(list))
	}
}

var (
	verb        = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	placeholder = regexp.MustCompile(`\?`)
	// Statements that are completed at run time. The conformance suite runs those.
	incomplete = regexp.MustCompile(`\s$|%s`)
)

// statements returns the constant statements in the source of sqlstore, and where each one is.
func statements(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../sqlstore/*.go")
	if err != nil {
		t.Fatal(err)
	}
	positions := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(positions, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	// The strings need no other package.
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	_, _ = config.Check("sqlstore", positions, files, &info)
	found := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			value := info.Types[e].Value
			if value == nil || value.Kind() != constant.String {
				return true
			}
			statement := constant.StringVal(value)
			if verb.MatchString(statement) && !incomplete.MatchString(statement) {
				found[numbered(statement)] = positions.Position(e.Pos()).String()
			}
			return false // the parts of a constant are no statements
		})
	}
	return found
}

// numbered replaces each ? as sqlstore's query does.
func numbered(statement string) string {
	n := 0
	return placeholder.ReplaceAllStringFunc(statement, func(string) string {
		n++
		return "$" + strconv.Itoa(n)
	})
}

type noImports struct{}

// Import implements types.Importer.
func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }
