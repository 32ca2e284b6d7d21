package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a Redis server that keeps nothing on disk.
type redisServer struct {
	cmd  *exec.Cmd
	port int
}

func startRedis() (*redisServer, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	r := &redisServer{port: ports[0]}
	r.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--save", "", "--appendonly", "no") //nolint:gosec // a bench's
	r.cmd.Dir = os.TempDir()
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("redis-server: install the Debian package redis-server: %w", err)
	}
	c := r.client(r.port)
	defer func() { _ = c.Close() }()
	for range 200 {
		if err = c.Ping(context.Background()).Err(); err == nil {
			return r, nil
		}
		time.Sleep(10 * time.Millisecond) // the server is a process of its own
	}
	r.stop()
	return nil, err
}

func (r *redisServer) client(port int) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
}

func (r *redisServer) url(port int) string { return fmt.Sprintf("redis://127.0.0.1:%d", port) }

func (r *redisServer) stop() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}
