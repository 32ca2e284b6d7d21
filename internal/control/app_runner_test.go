package control

import (
	"fmt"
	"strings"
	"testing"
)

// TestVariablesOfAgents: what an agent says is a runner's environment goes into files and shells, so
// nothing else than plain variables passes.
func TestVariablesOfAgents(t *testing.T) {
	many := map[string]string{}
	for i := range maxVariables + 1 {
		many[fmt.Sprintf("A%d", i)] = "x"
	}
	for name, row := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"plain":     {map[string]string{"PIZZAPI_RELAY_URL": "wss://acme.example:8443", "KEY": "aB_-.=+/@"}, true},
		"none":      {nil, false},
		"many":      {many, false},
		"empty":     {map[string]string{"KEY": ""}, false},
		"a line":    {map[string]string{"KEY": "x\nPATH=/tmp"}, false},
		"a command": {map[string]string{"KEY": "$(id)"}, false},
		"a quote":   {map[string]string{"KEY": `x"`}, false},
		"a space":   {map[string]string{"KEY": "x y"}, false},
		"a name":    {map[string]string{"x": "y"}, false},
		"long":      {map[string]string{"KEY": strings.Repeat("x", 1025)}, false},
	} {
		if got := plausible(row.env); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
