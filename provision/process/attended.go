//go:build linux || darwin

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
)

// Bounds of what an agent may answer; the org may have replaced it.
const (
	attendTime   = 15 * time.Second
	maxHeartbeat = 64 << 10
	maxMetrics   = 5 << 20
)

// Heartbeat implements provision.Attended.
func (p *Provider) Heartbeat(ctx context.Context, r provision.Ref) (h provision.Heartbeat, err error) {
	body, err := p.ask(ctx, r, http.MethodGet, "/heartbeat", nil)
	if err != nil {
		return h, err
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, maxHeartbeat))
	if err != nil {
		return h, fmt.Errorf("process: %w", err)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("process: the agent's heartbeat: %w", err)
	}
	if h.OrgID != r.OrgID || h.Generation != r.Generation {
		return h, errors.New("process: the agent's heartbeat is another instance's")
	}
	return h, nil
}

// Revoke implements provision.Attended. Error: errors.ErrUnsupported also when the app checks
// assertions itself, since its agent sees no requests.
func (p *Provider) Revoke(ctx context.Context, r provision.Ref, v provision.Revocation) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	body, err := p.ask(ctx, r, http.MethodPost, "/revoke", b)
	if err != nil {
		return err
	}
	return body.Close()
}

// Enroll implements provision.Enroller. Error: errors.ErrUnsupported when the instance's profile has
// no runners.
func (p *Provider) Enroll(ctx context.Context, r provision.Ref, e provision.Enrolment) (map[string]string, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	body, err := p.ask(ctx, r, http.MethodPost, "/runners", b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	var v struct {
		Environment map[string]string `json:"environment"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxHeartbeat)).Decode(&v); err != nil {
		return nil, fmt.Errorf("process: the agent's answer: %w", err)
	}
	return v.Environment, nil
}

// Metrics implements provision.Attended. It returns at most 5 MiB.
func (p *Provider) Metrics(ctx context.Context, r provision.Ref) (io.ReadCloser, error) {
	return p.ask(ctx, r, http.MethodGet, "/metrics", nil)
}

// ask sends a request to the agent of an instance.
func (p *Provider) ask(
	ctx context.Context, r provision.Ref, method, path string, body []byte,
) (io.ReadCloser, error) {
	credential, err := p.credential(r)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, attendTime)
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("process: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	socket := filepath.Join(p.runDir(r), ownSocket)
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return sockets.Dial(ctx, socket)
		},
	}
	res, err := transport.RoundTrip(req)
	switch {
	case errors.Is(err, fs.ErrNotExist) && held(p.runDir(r)): // an earlier version's agent
		err = errors.ErrUnsupported
	case err != nil:
	case res.StatusCode == http.StatusNotImplemented, path == "/runners" && res.StatusCode == http.StatusNotFound:
		err = errors.ErrUnsupported // also of an earlier version's agent
	case res.StatusCode >= 300:
		err = fmt.Errorf("it answers %s", res.Status)
	}
	if err != nil {
		if res != nil {
			_ = res.Body.Close()
		}
		cancel()
		return nil, fmt.Errorf("process: the agent: %w", err)
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

// Interface guard
var (
	_ provision.Attended = (*Provider)(nil)
	_ provision.Enroller = (*Provider)(nil)
)
