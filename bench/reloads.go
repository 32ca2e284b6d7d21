package main

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

// reloads is what becomes of new connections while the config is loaded again and again, with Caddy's ordinary listeners.
type reloads struct {
	Reloads     int   `json:"reloads"`
	Connections int64 `json:"connections"`
	Failed      int64 `json:"failed"`
}

func (s *servers) reload(n int) (map[string]reloads, error) {
	out := map[string]reloads{}
	if err := s.enter("acme"); err != nil {
		return nil, err
	}
	s.orgCookie = s.cookieFor("acme")
	for _, t := range []struct {
		compared
		dir string
	}{{s.compared()[0], "ours"}, {s.compared()[1], "plain"}} {
		p, err := openPool(8, s.target(t.port), scenarios[0])
		if err != nil {
			return nil, err
		}
		p.fresh = true
		var connections, failed atomic.Int64
		end := make(chan struct{})
		done := make(chan struct{}, 8)
		for i := range 8 {
			go func() {
				defer func() { done <- struct{}{} }()
				for {
					select {
					case <-end:
						return
					default:
					}
					connections.Add(1)
					if p.once(i) != nil {
						failed.Add(1)
						if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", t.port)); err == nil {
							p.conns[i] = conn // for the next to close
						}
					}
				}
			}()
		}
		for range n {
			time.Sleep(100 * time.Millisecond) // some traffic between two reloads
			cmd := exec.Command(s.binary, "reload", "--config", "Caddyfile", "--force")
			cmd.Dir = filepath.Join(s.dir, t.dir)
			if text, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: reload: %s", t.name, text)
			}
		}
		close(end)
		for range 8 {
			<-done
		}
		p.close()
		out[t.name] = reloads{n, connections.Load(), failed.Load()}
	}
	return out, nil
}
