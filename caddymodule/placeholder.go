package caddymodule

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// placeholder is a global placeholder such as {env.NAME}, or a brace that is escaped. Text in
// braces that cannot be the name of a placeholder, such as JSON, is left alone.
var placeholder = regexp.MustCompile(`\\[{}]|\{[\w$][^{}\s"',]*\}`)

// expand replaces the global placeholders of a text. One that is unknown or empty is an error:
// whatever needs it would go wrong later, far from here.
func expand(s string) (string, error) {
	repl := caddy.NewReplacer()
	var failed error
	out := placeholder.ReplaceAllStringFunc(s, func(p string) string {
		if p[0] == '\\' {
			return p[1:]
		}
		name := p[1 : len(p)-1]
		value, known := repl.GetString(name)
		variable, isEnv := strings.CutPrefix(name, "env.")
		_, isSet := os.LookupEnv(variable)
		switch {
		case isEnv && !isSet:
			failed = cmp.Or(failed, fmt.Errorf("the environment variable %s is not set", variable))
		case !known:
			failed = cmp.Or(failed, fmt.Errorf(
				`the placeholder %s is not a global one: write \{ for a brace that stands for itself`, p))
		case value == "":
			failed = cmp.Or(failed, fmt.Errorf("%s is empty", p))
		}
		return value
	})
	return out, failed
}

// expandAll replaces the placeholders in every string below v, a pointer to a module. It changes
// copies of slices and maps, and names the field of a placeholder that it cannot replace.
func expandAll(v any) error { return expandValue(reflect.ValueOf(v).Elem(), "") }

// expanded returns a copy of v with its placeholders replaced. Use it on what was parsed from a
// Caddyfile, once checkPlaceholders has passed.
func expanded[T any](v T) T {
	_ = expandAll(&v)
	return v
}

func expandValue(v reflect.Value, field string) error {
	switch v.Kind() {
	case reflect.String:
		s, err := expand(v.String())
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		v.SetString(s)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		v.Set(c)
		return expandValue(c.Elem(), field)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" { // not of the config, or another module's
				continue
			}
			if err := expandValue(v.Field(i), strings.TrimPrefix(field+" "+name, " ")); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 { // a guest's JSON
			return nil
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for i := range c.Len() {
			if err := expandValue(c.Index(i), field); err != nil {
				return err
			}
		}
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		c := reflect.MakeMap(v.Type())
		for it := v.MapRange(); it.Next(); {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(it.Value())
			if err := expandValue(e, fmt.Sprintf("%s %v", field, it.Key())); err != nil {
				return err
			}
			c.SetMapIndex(it.Key(), e)
		}
		v.Set(c)
	default: // numbers and truths
	}
	return nil
}

// checkPlaceholders checks the placeholders of a directive whose every argument is ours, so that
// an error has file and line.
func checkPlaceholders(d *caddyfile.Dispenser) error {
	for d.Next() {
		if _, err := expand(d.Val()); err != nil {
			return d.WrapErr(err)
		}
	}
	d.Reset()
	return nil
}
