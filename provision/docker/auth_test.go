//go:build linux

package docker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/authconfig"
)

// TestAuth: the registry of an image gets its own credentials, and no other's.
func TestAuth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"auths":{"registry.example":{"auth":"cm9ib3Q6aHVudGVyMjI="},"https://index.docker.io/v1/":{"identitytoken":"hunter33"},
		"broken.example":{"auth":"aHVudGVyNDQ="}},"credHelpers":{"helped.example":"x"}}`)
	for _, row := range []struct{ image, user, password, token, err string }{
		{"registry.example/app:1", "robot", "hunter22", "", ""},
		{"app", "", "", "hunter33", ""},
		{"other.example/registry.example/app", "", "", "", ""},
		{"sha256:" + strings.Repeat("0", 64), "", "", "", ""},
		{"broken.example/app", "", "", "", "malformed"},
		{"helped.example/app", "", "", "", "helper"},
	} {
		header, err := Auth{File: file}.header(row.image)
		if (err != nil) != (row.err != "") || err != nil && (!strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "hunter")) {
			t.Errorf("%s: %v", row.image, err)
		}
		if header == "" {
			if row.user+row.token != "" {
				t.Errorf("%s: nothing is sent", row.image)
			}
			continue
		}
		a, err := authconfig.Decode(header)
		if err != nil || a.Username != row.user || a.Password != row.password || a.IdentityToken != row.token {
			t.Errorf("%s: %+v %v", row.image, a, err)
		}
	}
	write("hunter22")
	if _, err := (Auth{File: file}).header("app"); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("no JSON: %v", err)
	}
	a := Auth{Username: "robot", Password: "hunter22"}
	b, _ := json.Marshal(Config{Auth: a})
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "auth", a)
	if shown := fmt.Sprintf("%v %+v %#v %s %s", a, a, a, b, log.String()); strings.Contains(shown, "hunter") {
		t.Error(shown)
	}
}
