package settings_test

import (
	"errors"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

func TestRequired(t *testing.T) {
	f := newFixture(t)
	f.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "NOTE", Type: registry.FieldText, Required: true},
		{Name: "KEY", Type: registry.FieldSecret, Required: true},
		{Name: "SIZE", Type: registry.FieldText, Required: true, Default: "s"},
		{Name: "FREE", Type: registry.FieldText},
	}}
	if err := f.set(pairs("NOTE", "hello", "KEY", "k", "SIZE", "m", "FREE", "x"), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{
		{"NOTE", ""}, {"NOTE", " \t"}, {"NOTE", "nil"},
		{"KEY", ""}, {"KEY", " "}, {"KEY", "nil"}, {"SIZE", ""},
	} {
		err := f.set(pairs(append(c, "FREE", "y")...), nil)
		var e *registry.Error
		if !errors.As(err, &e) || e.Code != registry.CodeInvalid || e.Field != c[0] {
			t.Errorf("%q: %v, want it refused with the field", c, err)
		}
	}
	if env := f.environment(); env["NOTE"] != "hello" || env["KEY"] != "k" || env["FREE"] != "x" {
		t.Errorf("%v, want nothing changed by what was refused", env)
	}
	// A setting with a default still has a value when it is unset.
	if err := f.set(pairs("SIZE", "nil", "FREE", ""), nil); err != nil {
		t.Fatal(err)
	}
	if env := f.environment(); env["SIZE"] != "s" {
		t.Errorf("SIZE is %q, want the default", env["SIZE"])
	}
}
