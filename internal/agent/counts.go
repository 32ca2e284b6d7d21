//go:build linux || darwin

package agent

import (
	"net/http"
	"sync/atomic"
)

// Reasons for refusals, as metrics name them.
const (
	refusedInvalid = iota
	refusedRevoked
	refusedNoKeys
)

var refusals = [...]string{refusedInvalid: "invalid", refusedRevoked: "revoked", refusedNoKeys: "no_keys"}

// counts are what metrics tell of requests.
type counts struct {
	byClass  [6]atomic.Int64 // of statuses; 0: no answer
	byReason [len(refusals)]atomic.Int64
}

func (c *counts) answered(status int) {
	if class := status / 100; class < len(c.byClass) {
		c.byClass[class].Add(1)
	}
}

func (c *counts) refused(reason int) { c.byReason[reason].Add(1) }

// counter notes the status of an answer.
type counter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (c *counter) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols || status >= 200 { // others are informational
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
