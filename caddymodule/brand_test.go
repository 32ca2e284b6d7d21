package caddymodule

import (
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestVersionOf(t *testing.T) {
	module := func(path, version string, replace *debug.Module) *debug.Module {
		return &debug.Module{Path: path, Version: version, Replace: replace}
	}
	revision := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}}
	for name, c := range map[string]struct {
		bi   *debug.BuildInfo
		want string
	}{
		"no build info": {nil, "devel"},
		"go install":    {&debug.BuildInfo{Main: *module(modulePath, "v1.2.3", nil)}, "v1.2.3"},
		"go build in a clone": {
			&debug.BuildInfo{Main: *module(modulePath, "v0.0.0-20261126170000-0123456789ab+dirty", nil)}, "v0.0.0-20261126170000-0123456789ab+dirty",
		},
		"go run":                {&debug.BuildInfo{Main: *module(modulePath, "(devel)", nil)}, "devel"},
		"older go with git":     {&debug.BuildInfo{Main: *module(modulePath, "(devel)", nil), Settings: revision}, "devel-0123456789ab"},
		"xcaddy":                {&debug.BuildInfo{Main: *module("caddy", "(devel)", nil), Deps: []*debug.Module{module(modulePath, "v1.2.3", nil)}}, "v1.2.3"},
		"xcaddy with a fork":    {&debug.BuildInfo{Deps: []*debug.Module{module(modulePath, "v1.2.3", module("example.com/fork", "v1.2.4", nil))}}, "v1.2.4"},
		"xcaddy with a clone":   {&debug.BuildInfo{Deps: []*debug.Module{module(modulePath, "v0.0.0", module("/src", "(devel)", nil))}}, "devel"},
		"cmd/build":             {&debug.BuildInfo{Deps: []*debug.Module{module(modulePath, "v0.0.0-20261126170000-0123456789ab", module("/src", "(devel)", nil))}}, "v0.0.0-20261126170000-0123456789ab"},
		"a revision of another": {&debug.BuildInfo{Main: *module("caddy", "(devel)", nil), Settings: revision, Deps: []*debug.Module{module(modulePath, "v0.0.0", nil)}}, "devel"},
	} {
		if got := versionOf(c.bi); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	for in, want := range map[string]string{
		"x": "x", "x org list": "x org list", "x pizzeria org list": "x pizzeria org list",
		"x run": "x run", "x stop": "x stop", "x __complete or": "x __complete or",
	} {
		if got := arguments(strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s becomes %v, want %s", in, got, want)
		}
	}
	if err := os.WriteFile("Caddyfile", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"x stop":             "x stop --config Caddyfile",
		"x trust":            "x trust --config Caddyfile",
		"x stop --address a": "x stop --address a",
		"x run":              "x run",
	} {
		if got := arguments(strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("with a Caddyfile, %s becomes %v, want %s", in, got, want)
		}
	}
}

// TestOthersKeepTheirName: importing the module does not rename somebody's Caddy. This test
// program is such a build.
func TestOthersKeepTheirName(t *testing.T) {
	if caddy.CustomBinaryName != "" || caddy.CustomVersion != "" || caddy.CustomLongDescription != "" {
		t.Errorf("name %q, version %q, description %q", caddy.CustomBinaryName, caddy.CustomVersion, caddy.CustomLongDescription)
	}
}
