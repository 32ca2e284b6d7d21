package control

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// checkDomains looks at the records of verified domains until ctx ends. It has a loop of its own,
// since the DNS may take its time.
func (c *Control) checkDomains(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		c.say(ctx, c.ids.CheckDomains(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookupTXT asks the configured DNS servers, or the system's.
func (c *Control) lookupTXT(ctx context.Context, name string) ([]string, error) {
	servers := c.Tunables().Resolvers
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
