package api

import (
	"net/http"
	"strings"
	"testing"
)

// fillers say nothing that a property's name does not.
var fillers = map[string]bool{
	"a": true, "an": true, "the": true, "of": true, "its": true, "this": true, "is": true, "in": true,
}

// saysMore reports whether a description has a word that is neither in the name of its property or
// schema nor a filler.
func saysMore(schema, property, text string) bool {
	known := strings.ToLower(schema + " " + strings.ReplaceAll(property, "_", " "))
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r < '0' || r > '9' && r < 'a' || r > 'z' && r < 0x80
	}) {
		if !fillers[word] && !strings.Contains(known, strings.TrimSuffix(word, "s")) {
			return true
		}
	}
	return false
}

// TestEveryPropertyIsDescribed: each property of each schema, and each parameter, says what it is,
// in other words than its name's.
func TestEveryPropertyIsDescribed(t *testing.T) {
	a := &API{}
	a.declare(http.NewServeMux())
	doc := a.huma.OpenAPI()
	properties := 0
	for name, s := range doc.Components.Schemas.Map() {
		for property, p := range s.Properties {
			properties++
			if !saysMore(name, property, p.Description) {
				t.Errorf("%s.%s is described as %q", name, property, p.Description)
			}
		}
	}
	if properties < 300 {
		t.Errorf("only %d properties", properties)
	}
	for path, item := range doc.Paths {
		for method, op := range operationsOf(item) {
			for _, p := range op.Parameters {
				if !saysMore("", p.Name, p.Description) {
					t.Errorf("%s %s: the parameter %s is described as %q", method, path, p.Name, p.Description)
				}
			}
		}
	}
	for _, c := range []struct {
		schema, property, text string
		more                   bool
	}{
		{"Org", "name", "The name of the org", false}, {"Org", "name", "", false}, {"Org", "created_at", "Created at", false},
		{"Org", "slug", "DNS label of the org", true}, {"Org", "name", "display name", true},
	} {
		if saysMore(c.schema, c.property, c.text) != c.more {
			t.Errorf("%+v", c)
		}
	}
}
