package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mit is a license without its copyright line, wrapped as its users do.
const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

// testModule makes a module with these files.
func testModule(t *testing.T, path string, files map[string]string) *module {
	t.Helper()
	m := &module{path: path, version: "v1.0.0", dir: t.TempDir(), files: map[string]bool{}}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(m.dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.add(filepath.Dir(filepath.Join(m.dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestCollect: texts that differ in layout, title and copyright line are one.
func TestCollect(t *testing.T) {
	list, err := collect([]*module{
		testModule(t, "a", map[string]string{"LICENSE": "MIT License\n\nCopyright (c) 2020 Ada\n\n" + mit, "doc.go": "", "notice.go": "", "LICENSE.docs": "SPDX-License-Identifier: CC-BY-SA-4.0"}),
		testModule(t, "b", map[string]string{"LICENSE.txt": "The MIT License (MIT)\r\nCopyright 2021 Bob\r\n\r\n" + strings.ReplaceAll(mit, "\n", "\r\n")}),
		testModule(t, "c", map[string]string{"COPYING": "Copyright (c) 2022 Cy\n\n" + mit, "NOTICE": "Contains works of Eve.", "sub/LICENSE": "Copyright (c) 2023 Dan\n\n" + mit}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Texts) != 2 {
		t.Errorf("%d texts: %q", len(list.Texts), list.Texts)
	}
	for i, want := range []string{"Copyright (c) 2020 Ada", "Copyright 2021 Bob", "Copyright (c) 2022 Cy|Copyright (c) 2023 Dan"} {
		m := list.Modules[i]
		if m.License != "MIT" || strings.Join(m.Copyright, "|") != want || m.Texts[0] != 0 && m.Texts[len(m.Texts)-1] != 0 {
			t.Errorf("%+v", m)
		}
	}
	if full := list.Full(list.Modules[2]); !strings.Contains(full, "works of Eve") || !strings.Contains(full, "hereby granted") {
		t.Errorf("%s", full)
	}
}

func TestCollectRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no license":      {"doc.go": ""},
		"unknown license": {"LICENSE": "All of this is mine. Nobody may do anything with it."},
		"mostly unknown":  {"LICENSE": mit + strings.Repeat("But on Sundays you may not. ", 200)},
		"copyleft":        {"LICENSE": mit, "sub/LICENSE": "SPDX-License-Identifier: GPL-3.0-only\nThis program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version."},
	} {
		if _, err := collect([]*module{testModule(t, "m", files)}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
