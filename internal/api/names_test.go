package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
)

// TestNamesAreExact: no member of a body is read by a name that only looks like its own.
func TestNamesAreExact(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", true)
	acme := s.Org("acme", owner)
	page := s.Page(s.SignIn(owner))
	tried := 0
	for _, rt := range api.Routes() {
		if len(rt.Body) == 0 {
			continue
		}
		good, err := json.Marshal(rt.Body)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range rt.Body {
			v, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			for what, other := range map[string]string{
				"capitals": strings.ToUpper(name), "a long s": strings.ReplaceAll(name, "s", "\u017f"), "a kelvin sign": strings.ReplaceAll(name, "k", "\u212a"),
			} {
				if other == name {
					continue
				}
				tried++
				more := fmt.Sprintf(`,%q:%s}`, other, v)
				for how, body := range map[string]string{
					"besides": strings.TrimSuffix(string(good), "}") + more,
					"instead": strings.Replace(string(good), fmt.Sprintf("%q:", name), fmt.Sprintf("%q:", other), 1),
				} {
					path := strings.NewReplacer("{org}", string(acme.ID)).Replace(rt.Pattern)
					if a := page.Do(rt.Method, path, body); a.Status != 422 {
						t.Errorf("%s %s with %q (%s) %s: %d %s", rt.Method, rt.Pattern, other, what, how, a.Status, a.Body)
					}
				}
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d were tried", tried)
	}
}
