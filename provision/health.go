package provision

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthChecker asks instances how they are: no redirects, no keep-alive, nothing read.
type healthChecker struct {
	path      string
	client    *http.Client
	transport *http.Transport
}

type addressKey struct{}

func newHealthChecker(path string) *healthChecker {
	t := &http.Transport{
		DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network, address := SplitAddress(ctx.Value(addressKey{}).(string))
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	return &healthChecker{path: path, transport: t, client: &http.Client{
		Transport: t, Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (h *healthChecker) check(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(context.WithValue(ctx, addressKey{}, address), http.MethodGet, "http://instance"+h.path, nil)
	if err != nil {
		return err
	}
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", res.Status)
	}
	return nil
}

func (h *healthChecker) close() { h.transport.CloseIdleConnections() }

// SplitAddress splits an instance's address into network and address for a net.Dialer.
func SplitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix/"); ok {
		return "unix", path
	}
	return "tcp", address
}
