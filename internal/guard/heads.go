package guard

import (
	"errors"
	"time"
)

// errHeads says that there is no memory for a request head.
var errHeads = errors.New("too many request headers at once")

// takeHead charges n bytes of a request head before they are parsed. It waits for
// others of the same address to be judged. One connection at a time may go over
// the limit of its address, so that large heads pass one after the other.
func (c *Conn) takeHead(n int64) error {
	if !c.Counts() || n <= 0 {
		return nil
	}
	g := c.g
	var timeout <-chan time.Time
	for {
		l := g.limits.Load()
		g.mu.Lock()
		if c.el == nil {
			free := c.free.Load()
			g.mu.Unlock()
			if free {
				return nil
			}
			return errHeads // evicted, and about to be closed
		}
		a := c.addr
		within := a.heads+n <= l.Heads
		if (within || a.large == nil || a.large == c) && g.heads+n <= l.AllHeads {
			if !within {
				a.large = c
			}
			c.heads += n
			a.heads += n
			g.heads += n
			g.mu.Unlock()
			return nil
		}
		wake := g.wake
		g.waiting++
		g.mu.Unlock()
		if timeout == nil {
			t := time.NewTimer(headWait)
			defer t.Stop()
			timeout = t.C
		}
		late := false
		select {
		case <-wake:
		case <-timeout:
			late = true
		}
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
		if late {
			g.refused[refusedHeads].Add(1)
			return errHeads
		}
	}
}

// paceHead waits until a head that costs n may come.
func (c *Conn) paceHead(n int64) error {
	if n < largeHead || !c.Counts() {
		return nil
	}
	c.g.mu.Lock()
	pace := c.addr.pace
	c.g.mu.Unlock()
	r := pace.ReserveN(time.Now(), int(min(n, largeBurst)))
	d := r.Delay()
	if d > headWait {
		r.Cancel()
		c.g.refused[refusedHeads].Add(1)
		return errHeads
	}
	time.Sleep(d) // it holds nothing but this connection's reading
	return nil
}

// giveHeads gives memory of heads back, with mu held.
func (c *Conn) giveHeads(n int64) {
	if n == 0 {
		return
	}
	a := c.addr
	c.heads -= n
	a.heads -= n
	c.g.heads -= n
	if a.large == c && (c.heads == 0 || a.heads <= c.g.limits.Load().Heads) {
		a.large = nil
	}
	c.g.wakeUp()
}

func (g *Guard) wakeUp() {
	if g.waiting > 0 {
		close(g.wake)
		g.wake = make(chan struct{})
	}
}

// wholeHead notes that a head of HTTP/2 that cost n is whole: its request comes next.
func (c *Conn) wholeHead(n int64) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.el != nil {
		c.pending = append(c.pending, n)
	}
}

// dropHead gives n back for a head that makes no request, as trailers do not.
func (c *Conn) dropHead(n int64) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.el != nil {
		c.giveHeads(min(n, c.heads))
	}
}

// judged gives a head's memory back: the handler has its request. Which of the
// connection's heads it was does not matter, since each has its turn.
func (c *Conn) judged(http2 bool) {
	if !c.Counts() {
		return
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.el == nil {
		return
	}
	c.served = true
	if !http2 {
		c.giveHeads(c.heads)
		return
	}
	if len(c.pending) > 0 {
		c.giveHeads(c.pending[0])
		if c.pending = c.pending[1:]; len(c.pending) == 0 {
			c.pending = nil
		}
	}
}
