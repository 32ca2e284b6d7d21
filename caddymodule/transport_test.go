package caddymodule

import (
	"context"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// TestDialInfoKey: what transport org says about where to dial is what Caddy's dialer reads.
func TestDialInfoKey(t *testing.T) {
	want := reverseproxy.DialInfo{Network: "unix", Address: "/run/2/app.sock"}
	ctx := context.WithValue(context.WithValue(t.Context(), dialInfoKey, reverseproxy.DialInfo{Address: "old"}), dialInfoKey, want)
	if got, ok := reverseproxy.GetDialInfo(ctx); !ok || got != want {
		t.Errorf("%+v %v", got, ok)
	}
}
