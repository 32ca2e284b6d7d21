package caddymodule

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// TestGatewayReachesNoListenerOfOurs: a name that led to an instance and leads to this server now
// gets no request.
func TestGatewayReachesNoListenerOfOurs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var d net.Dialer
	to := reverseproxy.DialInfo{Network: "tcp", Address: l.Addr().String()}
	ctx := context.WithValue(t.Context(), dialInfoKey, to)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, to.Network, to.Address)
	}
	var refused reverseproxy.DialError
	_, err = openSockets(dial, nil)(ctx, "tcp", "x")
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), sockets.ErrPeer.Error()) {
		t.Errorf("%v", err)
	}
}

// TestDialInfoKey: what transport org says about where to dial is what Caddy's dialer reads.
func TestDialInfoKey(t *testing.T) {
	want := reverseproxy.DialInfo{Network: "unix", Address: "/run/2/app.sock"}
	ctx := context.WithValue(context.WithValue(t.Context(), dialInfoKey, reverseproxy.DialInfo{Address: "old"}), dialInfoKey, want)
	if got, ok := reverseproxy.GetDialInfo(ctx); !ok || got != want {
		t.Errorf("%+v %v", got, ok)
	}
}
