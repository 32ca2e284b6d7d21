package caddymodule_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/pizzaface/pizzeria/caddymodule"
)

// ourModules are all modules of this package, by ID, as they are before their config is read.
func ourModules(t *testing.T) map[string]caddy.Module {
	t.Helper()
	ours := map[string]caddy.Module{}
	for _, id := range caddy.Modules() {
		info, err := caddy.GetModule(id)
		if err != nil {
			t.Fatal(err)
		}
		m := info.New()
		typ := reflect.TypeOf(m)
		if typ.Kind() == reflect.Pointer && strings.HasSuffix(typ.Elem().PkgPath(), "pizzeria/caddymodule") {
			ours[id] = m
		}
	}
	if len(ours) < 13 {
		t.Fatalf("only %d modules were found", len(ours))
	}
	return ours
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// eachString sets the strings of a config to text, one after another, and calls f for each.
func eachString(v reflect.Value, name, text string, f func(name string)) {
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		return // a guest, which is a module itself
	}
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	defer v.Set(before)
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		f(name)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		eachString(v.Elem(), name, text, f)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); jsonName(field) != "" {
				eachString(v.Field(i), name+" "+jsonName(field), text, f)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		eachString(v.Index(0), name, text, f)
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf(text))
			f(name)
		}
	default: // numbers and truths
	}
}

// TestEveryStringIsExpanded: no module takes a placeholder for a value.
func TestEveryStringIsExpanded(t *testing.T) {
	strs := 0
	for id, m := range ourModules(t) {
		v := reflect.ValueOf(m).Elem()
		eachString(v, id, "{env.PIZZERIA_TEST_NOT_SET}", func(name string) {
			strs++
			p, ok := m.(caddy.Provisioner)
			if !ok {
				t.Errorf("%s: nothing replaces placeholders", name)
				return
			}
			err := p.Provision(caddy.Context{})
			if err == nil || !strings.Contains(err.Error(), "PIZZERIA_TEST_NOT_SET is not set") {
				t.Errorf("%s: %v", name, err)
				return
			}
			if field := strings.Fields(name)[1]; !strings.Contains(err.Error(), field) {
				t.Errorf("%s is not named: %v", name, err)
			}
		})
	}
	if strs < 25 {
		t.Errorf("only %d strings were found", strs)
	}
}

// TestCaddyfileNames: a Caddyfile names every field as JSON does.
func TestCaddyfileNames(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if _, syntax, ok := strings.Cut(fn.Doc.Text(), "Syntax:"); ok {
					for _, w := range regexp.MustCompile(`[a-z_0-9]+`).FindAllString(syntax, -1) {
						words[w] = true
					}
				}
			}
		}
	}
	for id, m := range ourModules(t) {
		typ := reflect.TypeOf(m).Elem()
		for i := range typ.NumField() {
			name := jsonName(typ.Field(i))
			several := strings.TrimSuffix(name, "s") // of an option that may be repeated
			if name != "" && !words[name] && !words[several] {
				t.Errorf("%s: %s is named otherwise, or not at all, in the Caddyfile", id, name)
			}
		}
	}
}

// TestNumbersInJSON: zero is not the default. Where it means nothing it is refused, as are numbers
// below it, and what a Caddyfile refuses.
func TestNumbersInJSON(t *testing.T) {
	validate := func(app, handler string) error {
		t.Chdir(t.TempDir())
		var c caddy.Config
		err := json.Unmarshal([]byte(`{"admin":{"disabled":true},"apps":{"pizzeria":{"domain":"d.example"`+app+`},
			"http":{"servers":{"s":{"listen":["unix/s.sock"],"routes":[{"handle":[`+handler+`]}]}}}}}`), &c)
		if err != nil {
			t.Fatal(err)
		}
		return caddy.Validate(&c)
	}
	for name, c := range map[string]struct{ app, handler, want string }{
		"nothing":                  {"", `{"handler":"org"}`, ""},
		"zeros":                    {`,"offline_grace":0,"health_restart_after":0`, `{"handler":"org","hold":0}`, ""},
		"off":                      {`,"health_interval":-1,"health_restart_after":-1`, `{"handler":"org"}`, ""},
		"no cache":                 {`,"cache_size":0`, `{"handler":"org"}`, "cache_size must be"},
		"no interval":              {`,"health_interval":0`, `{"handler":"org"}`, "health_interval must be"},
		"no failures":              {`,"health_failures":0`, `{"handler":"org"}`, "health_failures must be"},
		"nothing kept":             {`,"audit_keep":0`, `{"handler":"org"}`, "audit_keep must be"},
		"no connections":           {`,"limits":{"connections":0}`, `{"handler":"org"}`, "above zero"},
		"no requests":              {`,"limits":{"requests":0}`, `{"handler":"org"}`, "above zero"},
		"a negative offline_grace": {`,"offline_grace":-1`, `{"handler":"org"}`, "offline_grace must"},
		"a negative hold":          {"", `{"handler":"org","hold":-1}`, "hold must"},
		"a negative grace":         {`,"provider":{"kind":"process","grace":-1}`, `{"handler":"org"}`, "grace must"},
		"no WebSockets":            {"", `{"handler":"org_limit","websockets":0}`, "above zero"},
		"no concurrency":           {"", `{"handler":"org_limit","concurrency":0}`, "above zero"},
		"no body":                  {"", `{"handler":"org_limit","body":0}`, "above zero"},
		"no rate":                  {"", `{"handler":"org_limit","rate":0}`, "above zero"},
		"no burst":                 {"", `{"handler":"org_limit","rate":1,"burst":0}`, "above zero"},
		"a negative rate":          {"", `{"handler":"org_limit","rate":-1}`, "above zero"},
		"a negative body":          {"", `{"handler":"org_limit","body":-1}`, "above zero"},
		"a negative burst":         {"", `{"handler":"org_limit","rate":1,"burst":-1}`, "above zero"},
		"half a request a second":  {"", `{"handler":"org_limit","rate":0.5,"burst":10}`, ""},
		"the largest rate":         {"", `{"handler":"org_limit","rate":1e6}`, ""},
		"a rate of no limit":       {"", `{"handler":"org_limit","rate":1e300}`, "0.001 to 1000000"},
		"a rate of ages":           {"", `{"handler":"org_limit","rate":1e-300}`, "0.001 to 1000000"},
		"a burst of no limit":      {"", `{"handler":"org_limit","rate":1,"burst":1000001}`, "0.001 to 1000000"},
	} {
		err := validate(c.app, c.handler)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	wait := caddy.Duration(-1)
	if err := (&caddymodule.Drain{Wait: &wait}).Provision(caddy.Context{}); err == nil {
		t.Error("a wait below zero")
	}
}
