package main

import (
	"os/exec"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// stamp gives the plugin that a clone replaces the clone's version, so that the binary can say
// what it was built from. Without git the manifest's version stays.
func stamp(b *xcaddy.Builder, old, dir string) {
	version := versionOf(dir)
	path, placeholder, ok := strings.Cut(old, "@")
	if !ok || version == "" {
		return
	}
	for i, r := range b.Replacements {
		if string(r.Old) == old {
			b.Replacements[i].Old = xcaddy.ReplacementPath(path + "@" + version)
		}
	}
	for i, p := range b.Plugins {
		if p.PackagePath == path && p.Version == placeholder {
			b.Plugins[i].Version = version
		}
	}
}

// versionOf returns the release tag of a clone's commit, or its pseudo-version as Go writes it
// (https://go.dev/ref/mod#pseudo-versions). With uncommitted changes or without git it is "".
func versionOf(dir string) string {
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(cmd.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if git("status", "--porcelain") != "" { // what is built is no commit
		return ""
	}
	if tag := git("describe", "--tags", "--exact-match", "--match", "v[0-9]*.[0-9]*.[0-9]*"); tag != "" {
		return tag
	}
	return git("log", "-1", "--abbrev=12", "--date=format-local:%Y%m%d%H%M%S", "--format=v0.0.0-%cd-%h")
}
