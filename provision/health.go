package provision

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Health says how instances are asked how they are; see DefaultHealth.
type Health struct {
	// Path is what a healthy instance answers with 200.
	Path string
	// Interval is the time between two checks of an instance that serves. Negative:
	// it is not checked.
	Interval time.Duration
	// Failures is the number of consecutive misses until it is degraded.
	Failures int
	// RestartAfter is how long it may be degraded until it is restarted. Negative: for ever.
	RestartAfter time.Duration
}

// DefaultHealth returns the defaults.
func DefaultHealth() Health {
	return Health{
		Path: "/healthz", Interval: 10 * time.Second, Failures: 3, RestartAfter: time.Minute,
	}
}

// checkTimeout is how long an instance may take to answer a health check.
const checkTimeout = 5 * time.Second

// timeout is checkTimeout, or less where checks are frequent.
func (h Health) timeout() time.Duration { return min(checkTimeout, max(h.Interval, time.Second)) }

// checker asks instances how they are: no redirects, no keep-alive, nothing read.
type checker struct {
	client    *http.Client
	transport *http.Transport
}

type addressKey struct{}

func newChecker(dial func(ctx context.Context, network, address string) (net.Conn, error)) *checker {
	t := &http.Transport{
		DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network, address := SplitAddress(ctx.Value(addressKey{}).(string))
			return dial(ctx, network, address)
		},
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &checker{transport: t, client: &http.Client{Transport: t, CheckRedirect: stay}}
}

// check returns nil when the instance at address answers with 200 within timeout.
func (h *checker) check(ctx context.Context, path, address string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	to := context.WithValue(ctx, addressKey{}, address)
	req, err := http.NewRequestWithContext(to, http.MethodGet, "http://instance"+path, nil)
	if err != nil {
		return err
	}
	res, err := h.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", res.Status)
	}
	return nil
}

func (h *checker) close() { h.transport.CloseIdleConnections() }

// SplitAddress splits an instance's address into network and address, as Providers.Dial takes them.
func SplitAddress(address string) (network, addr string) {
	if at, ok := strings.CutPrefix(address, "tls/"); ok {
		return "tls", at
	}
	if path, ok := strings.CutPrefix(address, "unix/"); ok {
		return "unix", path
	}
	return "tcp", address
}
