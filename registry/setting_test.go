package registry

import (
	"strings"
	"testing"
)

func TestSchema(t *testing.T) {
	s := Schema{Fields: []Field{
		{Name: "MODEL_KEY", Type: FieldSecret}, {Name: "MODEL_URL", Type: FieldURL}, {Name: "ALERTS_TO", Type: FieldEmail},
		{Name: "LIMIT", Type: FieldNumber}, {Name: "BETA", Type: FieldBool}, {Name: "SIZE", Type: FieldChoice, Options: []string{"s", "m"}, Default: "s"},
	}, Allow: []string{"APP_*", "EXACT"}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][2]string{ // good, bad
		"MODEL_URL": {"https://example.com/v1", "example.com"}, "ALERTS_TO": {"a@example.com", "nobody"}, "LIMIT": {"1.5", "many"},
		"BETA": {"true", "perhaps"}, "SIZE": {"m", "xl"}, "APP_X": {"anything", strings.Repeat("x", SettingMax+1)}, "EXACT": {"x", "x\x00"}, "MODEL_KEY": {" kept as it is ", "x\x00"},
	} {
		if got, err := s.Clean(name, values[0]); err != nil || got != values[0] {
			t.Errorf("%s=%q: %q %v", name, values[0], got, err)
		}
		if _, err := s.Clean(name, values[1]); ErrorCode(err) != Invalid {
			t.Errorf("%s=%.20q: %v", name, values[1], err)
		}
	}
	for value, ok := range map[string]bool{
		"0": true, "-1.5e3": true, "+2": true, ".5": true, "NaN": false, "nan": false, "Inf": false, "-inf": false, "+Infinity": false,
		"0x1p-2": false, "0x10": false, "1_000": false, "1e400": false, "1e": false, "": false, "e": false, "1,5": false, "\u0661": false,
	} {
		if _, err := s.Clean("LIMIT", value); (err == nil) != ok {
			t.Errorf("%q as a number: %v", value, err)
		}
	}
	for _, name := range []string{"OTHER", "EXACTLY", "lower", "LD_PRELOAD", "PATH", "PIZZERIA_ORG_ID", "NODE_OPTIONS", "GODEBUG", "", "A-B", "A=B", "1A"} {
		if _, err := s.Clean(name, "x"); ErrorCode(err) != Invalid {
			t.Errorf("%s is a setting: %v", name, err)
		}
	}
	for _, bad := range []Schema{
		{Allow: []string{"*"}}, {Allow: []string{"LD_*"}}, {Allow: []string{"a*"}}, {Fields: []Field{{Name: "PATH", Type: FieldText}}},
		{Fields: []Field{{Name: "A", Type: "colour"}}}, {Fields: []Field{{Name: "A", Type: FieldChoice}}}, {Fields: []Field{{Name: "A", Type: FieldText, Options: []string{"x"}}}},
		{Fields: []Field{{Name: "A", Type: FieldSecret, Default: "x"}}}, {Fields: []Field{{Name: "A", Type: FieldNumber, Default: "x"}}}, {Fields: []Field{{Name: "A", Type: FieldText}, {Name: "A", Type: FieldText}}},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v is a schema", bad)
		}
	}
}
