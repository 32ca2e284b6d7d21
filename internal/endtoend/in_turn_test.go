package endtoend

import (
	"errors"
	"net/http"
	"sync/atomic"
)

// inTurn sends each request to another node than the one before, over a connection of its own.
type inTurn struct {
	nodes []*http.Transport
	sent  atomic.Int64
}

func (c *cluster) inTurn() *inTurn {
	t := &inTurn{}
	for _, s := range c.nodes {
		to := s.transport()
		to.DisableKeepAlives = true
		t.nodes = append(t.nodes, to)
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *inTurn) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.nodes[int(t.sent.Add(1))%len(t.nodes)].RoundTrip(r)
}

// wanderer is somebody whose requests go to each node in turn.
func (c *cluster) wanderer() *person {
	p := c.person()
	p.c.Transport, p.c.CheckRedirect = c.inTurn(), followed
	return p
}

// followed is how browsers go where the answer to a form leads: without the form's origin.
func followed(r *http.Request, via []*http.Request) error {
	if len(via) > 10 {
		return errors.New("it leads on and on")
	}
	r.Header.Del("Origin")
	r.Header.Set("Sec-Fetch-Site", "same-site")
	return nil
}
