package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

// maxEvent bounds an event in bytes.
const maxEvent = 1 << 20

// follow hands over the events of a stream. When the connection is lost it calls lost, and then
// continues after the last event. It returns when the first connection fails, when the server
// refuses, or with the error of each.
func (c *client) follow(path string, each func(sse.Event) error, lost func(error, time.Duration)) error {
	parent := c.cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	t, err := c.target()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+path, nil)
	if err != nil {
		return err
	}
	stream := (&sse.Client{
		HTTPClient: &http.Client{Transport: &reconnecting{client: c, end: end}},
		Backoff:    sse.Backoff{Multiplier: 2, MaxInterval: 30 * time.Second},
		OnRetry: func(err error, wait time.Duration) {
			if ctx.Err() == nil {
				lost(err, wait)
			}
		},
	}).NewConnection(req)
	stream.Buffer(nil, maxEvent)
	stream.SubscribeToAll(func(e sse.Event) {
		if e.Data == "" { // it only says where the stream is
			return
		}
		if err := each(e); err != nil {
			end(err)
		}
	})
	err = stream.Connect()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// reconnecting makes every attempt to connect with credentials that are valid then. It ends the
// stream when another attempt would not help.
type reconnecting struct {
	client    *client
	end       context.CancelCauseFunc
	connected bool // once
}

func (c *reconnecting) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := c.client.target()
	if err != nil {
		c.end(err)
		return nil, err
	}
	r = r.Clone(r.Context())
	if t.key != "" {
		r.Header.Set("Authorization", "Bearer "+t.key)
	}
	res, err := t.http.Transport.RoundTrip(r)
	if err == nil && res.StatusCode < 300 {
		c.connected = true
		return res, nil
	}
	again := c.connected
	if err != nil {
		err = t.failed(err)
	} else {
		again = again && (res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests)
		b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		err = errors.Join(t.refused(res, b), res.Body.Close())
	}
	if !again {
		c.end(err)
	}
	return nil, err
}
