//go:build unix

package redistest

import "syscall"

// Stall stops the server: it keeps its connections, and answers nothing.
func (s *Server) Stall() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Wake continues a server that Stall stopped.
func (s *Server) Wake() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
