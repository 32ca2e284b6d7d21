package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

var errNodeStore = errors.New("node takes a store that several nodes may use: write `store postgres`")

const nodeLength = 40

// checkNode refuses what is no name of a node.
func checkNode(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	if name == "" || len(name) > nodeLength || strings.Trim(name, allowed) != "" ||
		strings.ContainsAny(name[:1]+name[len(name)-1:], "-") {
		return fmt.Errorf("node: %q is not a name: use up to %d lower-case letters, digits and hyphens",
			name, nodeLength)
	}
	return nil
}

// storeIsShared reports whether several nodes may use the configured store.
func (a *App) storeIsShared() bool {
	var store struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(a.StoreRaw, &store) != nil {
		return false
	}
	module, err := caddy.GetModule("pizzeria.stores." + store.Kind)
	if err != nil {
		return false
	}
	_, shared := module.New().(SharedStore)
	return shared
}
