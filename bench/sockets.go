package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// sockets is a set of open WebSockets.
type sockets []*websocket.Conn

func openSockets(n int, t target) (sockets, error) {
	all := make(sockets, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			all[i], errs[i] = t.dial()
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			all.close()
			return nil, err
		}
	}
	return all, nil
}

func (t target) dial() (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: t.config("http/1.1"), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", t.port))
	}}}
	origin := fmt.Sprintf("https://%s:%d", t.host, t.port)
	ws, res, err := websocket.Dial(ctx, origin+"/echo", &websocket.DialOptions{HTTPClient: c, HTTPHeader: http.Header{"Cookie": {orgCookie + "=" + t.cookie}, "Origin": {origin}}})
	if err != nil && res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	return ws, err
}

var message = make([]byte, 64)

func (s sockets) once(i int) error {
	if err := s[i].Write(context.Background(), websocket.MessageBinary, message); err != nil {
		return err
	}
	_, b, err := s[i].Read(context.Background())
	if err == nil && len(b) != len(message) {
		err = fmt.Errorf("an echo of %d bytes", len(b))
	}
	return err
}

func (s sockets) close() {
	for _, ws := range s {
		if ws != nil {
			_ = ws.CloseNow()
		}
	}
}

// idle is what WebSockets that say nothing cost a server.
type idle struct {
	Open  int   `json:"open"`
	Lost  int   `json:"lost"`
	Bytes int64 `json:"bytes_each"`
}

// idleSockets opens n WebSockets through the gateway, and then through the plain proxy: what each holds in its heap and stacks, and whether all still echo.
func (s *servers) idleSockets(n int) (map[string]idle, error) {
	out := map[string]idle{}
	for _, t := range []struct {
		compared
		admin string
	}{{s.compared()[0], "ours/data/admin.sock"}, {s.compared()[1], "plain/admin.sock"}} {
		before, err := s.memory(t.admin)
		if err != nil {
			return nil, err
		}
		all, err := openSockets(n, s.target(t.port))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		after, err := s.memory(t.admin)
		if err != nil {
			return nil, err
		}
		lost := 0
		for i := range all {
			if all.once(i) != nil {
				lost++
			}
		}
		all.close()
		out[t.name] = idle{Open: n, Lost: lost, Bytes: (after - before) / int64(n)}
	}
	return out, nil
}

var inUse = regexp.MustCompile(`# (HeapAlloc|Stack) = (\d+)`)

// memory is what a server holds in heap and stacks, after a collection.
func (s *servers) memory(admin string) (sum int64, err error) {
	b, err := s.admin(admin, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	for _, m := range inUse.FindAllSubmatch(b, -1) {
		n, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// admin asks the admin endpoint behind a socket.
func (s *servers) admin(socket, path string) ([]byte, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.dir, socket))
	}}}
	res, err := c.Get("http://localhost" + path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}
