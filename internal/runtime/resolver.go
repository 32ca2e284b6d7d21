package runtime

import (
	"context"
	"math/rand/v2"
	"net"
)

// lookupTXT asks the configured DNS servers, or the system's.
func (r *Runtime) lookupTXT(ctx context.Context, name string) ([]string, error) {
	servers := r.tunables.Load().Resolvers
	if len(servers) == 0 {
		return net.DefaultResolver.LookupTXT(ctx, name)
	}
	at := servers[rand.IntN(len(servers))] //nolint:gosec // which one is asked first is no secret
	res := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at)
	}}
	return res.LookupTXT(ctx, name)
}
