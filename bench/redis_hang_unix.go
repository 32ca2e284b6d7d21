//go:build unix

package main

import "syscall"

// hang makes it answer nothing, and keep its connections.
func (r *redisServer) hang() error { return r.cmd.Process.Signal(syscall.SIGSTOP) }

func (r *redisServer) wake() error { return r.cmd.Process.Signal(syscall.SIGCONT) }
