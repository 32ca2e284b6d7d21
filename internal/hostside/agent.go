//go:build linux || darwin

package hostside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
)

// Bounds of what an agent may answer; the org may have replaced it.
const (
	attendTime   = 15 * time.Second
	enrollTime   = time.Minute // an app may sign somebody up for it
	maxHeartbeat = 64 << 10
	maxMetrics   = 5 << 20
)

// Agent is the agent of an instance on this machine, as provision.Attended reaches it.
type Agent struct {
	// Socket is the path of its own socket, in a directory that may be the org's.
	Socket     string
	Credential string
}

// Heartbeat asks how the instance is.
func (a Agent) Heartbeat(ctx context.Context, r provision.Ref) (h provision.Heartbeat, err error) {
	body, err := a.ask(ctx, http.MethodGet, "/heartbeat", nil)
	if err != nil {
		return h, err
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, maxHeartbeat))
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("the agent's heartbeat: %w", err)
	}
	if h.OrgID != r.OrgID || h.Generation != r.Generation {
		return h, errors.New("the agent's heartbeat is another instance's")
	}
	return h, nil
}

// Revoke tells who is gone. Error: errors.ErrUnsupported also when the app checks assertions itself,
// since its agent sees no requests.
func (a Agent) Revoke(ctx context.Context, v provision.Revocation) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body, err := a.ask(ctx, http.MethodPost, "/revoke", b)
	if err != nil {
		return err
	}
	return body.Close()
}

// Enroll makes the app let a runner in, and returns its environment. Error: errors.ErrUnsupported when
// the instance's profile has no runners.
func (a Agent) Enroll(ctx context.Context, e provision.Enrolment) (map[string]string, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	body, err := a.ask(ctx, http.MethodPost, runnersPath, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	var v struct {
		Environment map[string]string `json:"environment"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxHeartbeat)).Decode(&v); err != nil {
		return nil, fmt.Errorf("the agent's answer: %w", err)
	}
	return v.Environment, nil
}

const runnersPath = "/runners"

// Metrics returns the agent's metrics, at most 5 MiB.
func (a Agent) Metrics(ctx context.Context) (io.ReadCloser, error) {
	return a.ask(ctx, http.MethodGet, "/metrics", nil)
}

// ask sends a request.
func (a Agent) ask(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	within := attendTime
	if path == runnersPath {
		within = enrollTime
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Credential)
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return sockets.Dial(ctx, a.Socket)
		},
	}
	res, err := transport.RoundTrip(req)
	switch {
	case err != nil:
	case res.StatusCode == http.StatusNotImplemented, path == runnersPath && res.StatusCode == http.StatusNotFound:
		err = errors.ErrUnsupported // also of an earlier version's agent
	case res.StatusCode >= 300:
		err = fmt.Errorf("it answers %s", res.Status)
	}
	if err != nil {
		if res != nil {
			_ = res.Body.Close()
		}
		cancel()
		return nil, fmt.Errorf("the agent: %w", err)
	}
	return &answer{io.LimitReader(res.Body, maxMetrics), res.Body, cancel}, nil
}

// answer is a body that ends its request when it is closed.
type answer struct {
	io.Reader
	body   io.Closer
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (a *answer) Close() error {
	defer a.cancel()
	return a.body.Close()
}
