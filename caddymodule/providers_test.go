package caddymodule_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestProvidersInJSON: what only JSON can get wrong is refused with what is wrong.
func TestProvidersInJSON(t *testing.T) {
	const process = `{"kind":"process"}`
	for config, want := range map[string]string{
		`"provider":` + process:                                                                    "",
		`"providers":[{"provider":` + process + `}]`:                                               "",
		`"provider":` + process + `,"providers":[{"provider":{}}]`:                                 "there are provider and providers",
		`"providers":[{"name":"large"}]`:                                                           "number 1 has no provider",
		`"providers":[{"name":"../etc","provider":` + process + `}]`:                               `"../etc" cannot name a provider`,
		`"providers":[{"provider":{"kind":"process","name":"large"}}]`:                             "unknown field",
		`"providers":[{"provider":` + process + `},{"name":"process","provider":` + process + `}]`: `there are two providers "process"`,
	} {
		t.Run(config, func(t *testing.T) {
			dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets would lie below it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			t.Chdir(dir)
			c := caddy.Config{AppsRaw: caddy.ModuleMap{"pizzeria": json.RawMessage(
				`{"domain":"d.example",` + config + `}`)}}
			err = caddy.Validate(&c)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}
