package caddymodule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/pizzaface/pizzeria" // registers the modules
)

// A program of one's own that serves an installation: it adapts a Caddyfile, loads it, and stops.
func Example_embed() {
	dir, err := os.MkdirTemp("", "pizzeria")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := filepath.Join(dir, "http.sock")
	caddyfile := fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	pizzeria {
		domain d.example
		store sqlite %s
	}
}
http://d.example {
	bind unix/%s
	control_plane
}
`, filepath.Join(dir, "pizzeria.db"), socket)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	answer, err := client.Get("http://d.example/readyz")
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Print(answer.StatusCode, " ", string(body))
	client.CloseIdleConnections()
	if err := caddy.Stop(); err != nil { // instances go on: the next start adopts them
		log.Fatal(err)
	}

	// Output:
	// 200 ready
}

// What a Caddyfile says is JSON to Caddy, which can be loaded as well.
func Example_adapt() {
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	pizzeria {
		domain d.example
		session_lifetime 1d
	}
}
`), nil)
	if err != nil || len(warnings) > 0 {
		log.Fatal(err, warnings)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, config, "", "  "); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.String())

	// Output:
	// {
	//   "apps": {
	//     "pizzeria": {
	//       "domain": "d.example",
	//       "session_lifetime": 86400000000000
	//     }
	//   }
	// }
}
