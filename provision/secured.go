package provision

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// Secured is a Provider of instances that are reached over TLS: those with an address
// "tls/host:port". That an instance is one of those is for its address to say, and never for a
// request.
type Secured interface {
	// TLS is how an instance at "host:port" is talked to; nil: it is none of this provider's.
	TLS(address string) *tls.Config
}

// Dial reaches an instance, at what SplitAddress returns.
func (p *Providers) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tls" {
		return sockets.Dialer(ctx, network, address)
	}
	c, err := sockets.Dialer(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return p.Secure(ctx, address, c)
}

// Secure makes a connection to "host:port" one over TLS, as the provider of the address says. It
// closes c on an error.
func (p *Providers) Secure(ctx context.Context, address string, c net.Conn) (net.Conn, error) {
	for _, n := range p.list {
		if s, ok := n.Provider.(Secured); ok {
			if config := s.TLS(address); config != nil {
				return sockets.Secure(ctx, c, config)
			}
		}
	}
	_ = c.Close()
	return nil, fmt.Errorf("no provider says how to talk to %s over TLS", address)
}
