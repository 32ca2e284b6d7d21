package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"github.com/pizzaface/pizzeria/internal/licenses"
)

// allowed are the licenses that may be linked into a program under Apache-2.0
// whose binaries are given away. MPL-2.0 asks for the source code of its own
// files, which the intro of NOTICE says where to find.
var allowed = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Views", "BSD-3-Clause", "BSD-Source-Code", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0",
	"MPL-2.0", "OFL-1.1", "PostgreSQL", "Unlicense", "Zlib",
}

// minCovered is how much of a license file must be known text, in percent. The
// rest is copyright lines, and who copied what.
const minCovered = 70

// A license file below maxPlain bytes, or with more than minPlain percent of one
// known license, is copyright lines and a license. Others may mention copyright
// anywhere, and are kept as they are.
const (
	maxPlain = 4096
	minPlain = 95
)

// collect reads, classifies and deduplicates the license files of modules.
func collect(modules []*module) (list licenses.List, err error) {
	var errs []error
	texts := map[string]int{} // by key
	for _, m := range modules {
		entry := licenses.Module{Path: m.path, Version: m.version}
		ids := map[string]bool{}
		// Files at the root come first.
		files := slices.SortedFunc(maps.Keys(m.files), func(a, b string) int {
			return cmp.Or(cmp.Compare(strings.Count(a, string(filepath.Separator)), strings.Count(b, string(filepath.Separator))), cmp.Compare(a, b))
		})
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return list, err
			}
			text := strings.ReplaceAll(string(b), "\r\n", "\n")
			found, covered, err := classify(filepath.Base(file), text)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", m.path, filepath.Base(file), err))
			}
			for _, id := range found {
				ids[id] = true
			}
			copyright := []string(nil)
			if len(found) > 0 && len(text) < maxPlain || len(found) == 1 && covered > minPlain {
				copyright, text = split(text)
			}
			text = strings.Trim(text, "\n")
			for _, c := range copyright {
				if !slices.Contains(entry.Copyright, c) {
					entry.Copyright = append(entry.Copyright, c)
				}
			}
			if text == "" {
				continue
			}
			n, ok := texts[key(text)]
			if !ok {
				n = len(list.Texts)
				texts[key(text)] = n
				list.Texts = append(list.Texts, text)
			}
			if !slices.Contains(entry.Texts, n) {
				entry.Texts = append(entry.Texts, n)
			}
		}
		if len(ids) == 0 {
			errs = append(errs, fmt.Errorf("%s: there is no known license in %s", m.path, m.dir))
		}
		entry.License = strings.Join(slices.Sorted(maps.Keys(ids)), " AND ")
		list.Modules = append(list.Modules, entry)
	}
	return list, errors.Join(errs...)
}

var mainFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)(\.(txt|md))?$`)

// classify returns the SPDX identifiers of the licenses in a file, and how many
// percent of it they are. Only a main license file must be known; others, such as
// NOTICE, may hold any text.
func classify(name, text string) (ids []string, covered float64, err error) {
	coverage := licensecheck.Scan([]byte(text))
	for _, match := range coverage.Match {
		switch {
		case match.IsURL || match.ID == "GooglePatentsFile" || !licenseFile.MatchString(name):
		case !slices.Contains(allowed, match.ID):
			return ids, 0, fmt.Errorf("license %s is not allowed", match.ID)
		case !slices.Contains(ids, match.ID):
			ids = append(ids, match.ID)
		}
	}
	if mainFile.MatchString(name) && coverage.Percent < minCovered {
		return ids, 0, fmt.Errorf("only %.0f%% of the text is a known license", coverage.Percent)
	}
	return ids, coverage.Percent, nil
}

var (
	copyrightLine = regexp.MustCompile(`(?i)^\W*(portions )?(copyright\W+((\(c\)|©|the|\d{4}))|all rights reserved)`)
	blankLines    = regexp.MustCompile(`\n{3,}`)
	notWord       = regexp.MustCompile(`[^\p{L}\p{N}]+`)
	title         = regexp.MustCompile(`^(the |new )?(mit|isc|bsd|bsd [23] clause|apache)( new| simplified)? license (expat |mit |bsd )?`)
)

// split separates the copyright lines of a license from its text.
func split(text string) (copyright []string, rest string) {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\f")
		if copyrightLine.MatchString(line) {
			copyright = append(copyright, strings.TrimLeft(line, " \t*#>/"))
			continue
		}
		lines = append(lines, line)
	}
	return copyright, strings.Trim(blankLines.ReplaceAllString(strings.Join(lines, "\n"), "\n\n"), "\n")
}

// key is equal for texts that say the same: layout, case, punctuation and the
// title do not count.
func key(text string) string {
	return title.ReplaceAllString(strings.TrimSpace(notWord.ReplaceAllString(strings.ToLower(text), " "))+" ", "")
}
