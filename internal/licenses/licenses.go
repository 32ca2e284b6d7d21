package licenses

import (
	_ "embed"
	"fmt"
	"runtime/debug"
	"strings"
)

// Notice is the generated file.
//
//go:embed NOTICE
var Notice string

// Names in place of a module path.
const (
	Self = "github.com/pizzaface/pizzeria"
	Std  = "std" // the Go standard library
)

const head = "=== "

// Module is one module that may be linked.
type Module struct {
	Path      string   `json:"module"`
	Version   string   `json:"version,omitempty"`
	License   string   `json:"license"`             // SPDX expression; "" if it is not known
	Recorded  string   `json:"recorded,omitempty"`  // the version that License is known for, if it is another
	Copyright []string `json:"copyright,omitempty"` // lines of its license files
	Texts     []int    `json:"-"`                   // indexes into List.Texts
}

// List is what NOTICE says.
type List struct {
	Modules []Module
	Texts   []string
}

// Format writes a list as Parse reads it.
func (l List) Format(intro string) string {
	var b strings.Builder
	b.WriteString(intro + "\n")
	for _, m := range l.Modules {
		fmt.Fprintf(&b, "\n%smodule %s\n%s\ntexts", head, strings.TrimSpace(m.Path+" "+m.Version), m.License)
		for _, t := range m.Texts {
			fmt.Fprintf(&b, " %d", t+1)
		}
		b.WriteString("\n")
		for _, c := range m.Copyright {
			b.WriteString(c + "\n")
		}
	}
	for i, t := range l.Texts {
		fmt.Fprintf(&b, "\n%stext %d\n%s\n", head, i+1, t)
	}
	return b.String()
}

// Parse reads what Format wrote.
func Parse(notice string) (l List, err error) {
	_, notice, _ = strings.Cut(notice, "\n"+head)
	for section := range strings.SplitSeq(notice, "\n"+head) {
		title, body, _ := strings.Cut(section, "\n")
		body = strings.Trim(body, "\n")
		switch kind, rest, _ := strings.Cut(title, " "); kind {
		case "text":
			l.Texts = append(l.Texts, body)
		case "module":
			lines := strings.Split(body, "\n")
			if len(lines) < 2 {
				return l, fmt.Errorf("module %s is incomplete", rest)
			}
			m := Module{License: lines[0], Copyright: lines[2:]}
			m.Path, m.Version, _ = strings.Cut(rest, " ")
			for _, f := range strings.Fields(lines[1])[1:] {
				var n int
				if _, err := fmt.Sscan(f, &n); err != nil {
					return l, fmt.Errorf("module %s: %w", rest, err)
				}
				m.Texts = append(m.Texts, n-1)
			}
			l.Modules = append(l.Modules, m)
		default:
			return l, fmt.Errorf("unknown section %q", title)
		}
	}
	for _, m := range l.Modules {
		for _, t := range m.Texts {
			if t < 0 || t >= len(l.Texts) {
				return l, fmt.Errorf("module %s: there is no text %d", m.Path, t+1)
			}
		}
	}
	return l, nil
}

// Linked returns the modules of a program: what the list knows, and with an
// empty License what it does not, such as an operator's own plugins. Without
// build information it returns the whole list.
func (l List) Linked(info *debug.BuildInfo) []Module {
	if info == nil || len(info.Deps) == 0 {
		return l.Modules
	}
	linked := map[string]string{Self: "", Std: info.GoVersion}
	order := []string{Self, Std}
	for _, d := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if _, ok := linked[d.Path]; !ok && d.Path != "" && d.Path != "caddy" { // xcaddy names its main module so
			order = append(order, d.Path)
		}
		if d.Replace != nil {
			d = &debug.Module{Path: d.Path, Version: d.Replace.Version}
		}
		linked[d.Path] = d.Version
	}
	known := map[string]Module{}
	for _, m := range l.Modules {
		known[m.Path] = m
	}
	all := make([]Module, 0, len(order))
	for _, path := range order {
		m := known[path]
		if m.Version != "" && m.Version != linked[path] {
			m.Recorded = m.Version
		}
		m.Path, m.Version = path, linked[path]
		all = append(all, m)
	}
	return all
}

// Full returns a module's copyright lines and license texts.
func (l List) Full(m Module) string {
	parts := []string{strings.Join(m.Copyright, "\n")}
	for _, t := range m.Texts {
		parts = append(parts, l.Texts[t])
	}
	return strings.TrimSpace(strings.Join(parts, "\n\n")) + "\n"
}
