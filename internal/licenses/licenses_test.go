package licenses

import (
	"runtime/debug"
	"strings"
	"testing"
)

// TestNotice: the program reads the generated file without loss.
func TestNotice(t *testing.T) {
	list, err := Parse(Notice)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Modules) < 100 || list.Modules[0].Path != Self || list.Modules[1].Path != Std {
		t.Errorf("%d modules", len(list.Modules))
	}
	intro, _, _ := strings.Cut(Notice, "\n\n"+head)
	if list.Format(intro) != Notice {
		t.Error("the file is not as Format writes it")
	}
	for _, m := range list.Modules {
		if m.License == "" || len(m.Texts) == 0 {
			t.Errorf("%s has no license", m.Path)
		}
	}
	if len(Notice) > 1<<20 {
		t.Errorf("the file has %d bytes", len(Notice))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		"x", "x\n\n=== what\n", "x\n\n=== module a v1\nMIT", "x\n\n=== module a v1\nMIT\ntexts one\n", "x\n\n=== module a v1\nMIT\ntexts 1\n",
		"x\n\n=== module a v1\nMIT\ntexts 0\n\n=== text 1\nx\n",
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestLinked(t *testing.T) {
	list := List{Modules: []Module{
		{Path: Self, License: "Apache-2.0"}, {Path: Std, License: "BSD-3-Clause"},
		{Path: "a", Version: "v1.0.0", License: "MIT"}, {Path: "b", Version: "v1.0.0", License: "ISC"}, {Path: "windows-only", Version: "v1.0.0", License: "MIT"},
	}}
	deps := []*debug.Module{{Path: "a", Version: "v1.0.0"}, {Path: "b", Version: "v1.2.0"}, {Path: "plugin", Version: "v0.1.0"}}
	want := []Module{
		{Path: Self, Version: "v3.0.0", License: "Apache-2.0"}, {Path: Std, Version: "go1.99", License: "BSD-3-Clause"},
		{Path: "a", Version: "v1.0.0", License: "MIT"}, {Path: "b", Version: "v1.2.0", License: "ISC", Recorded: "v1.0.0"}, {Path: "plugin", Version: "v0.1.0"},
	}
	for name, info := range map[string]*debug.BuildInfo{
		"own build":   {GoVersion: "go1.99", Main: debug.Module{Path: Self, Version: "v3.0.0"}, Deps: deps},
		"xcaddy":      {GoVersion: "go1.99", Main: debug.Module{Path: "caddy"}, Deps: append(deps, &debug.Module{Path: Self, Version: "v3.0.0"})},
		"replacement": {GoVersion: "go1.99", Main: debug.Module{Path: "caddy"}, Deps: append(deps, &debug.Module{Path: Self, Version: "v0.0.0", Replace: &debug.Module{Path: "x", Version: "v3.0.0"}})},
	} {
		got := list.Linked(info)
		if len(got) != len(want) {
			t.Fatalf("%s: %v", name, got)
		}
		for i := range want {
			g, w := got[i], want[i]
			if g.Path != w.Path || g.Version != w.Version || g.License != w.License || g.Recorded != w.Recorded {
				t.Errorf("%s: %+v, want %+v", name, g, w)
			}
		}
	}
	if got := list.Linked(nil); len(got) != len(list.Modules) {
		t.Errorf("without build information: %v", got)
	}
}
