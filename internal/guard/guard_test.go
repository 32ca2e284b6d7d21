package guard

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func small() Limits {
	return Limits{Connections: 4, Requests: 3, Heads: 10_000, AllConnections: 10, AllRequests: 8, AllHeads: 100_000}
}

func open(t *testing.T, l Limits) *Guard {
	t.Helper()
	g := New(l)
	t.Cleanup(g.Close)
	return g
}

// empty fails unless everything was given back.
func (g *Guard) empty(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns != 0 || g.requests != 0 || g.heads != 0 || g.kept != 0 || len(g.addresses) != 0 {
		t.Errorf("not given back: %d connections, %d requests, %d bytes of heads, %d addresses", g.conns, g.requests, g.heads+g.kept, len(g.addresses))
	}
}

func connect(t *testing.T, g *Guard, ip string, want bool) (c *Conn, closed *atomic.Bool) {
	t.Helper()
	closed = new(atomic.Bool)
	c, ok := g.Connect(netip.MustParseAddr(ip), func() error {
		if !closed.Swap(true) {
			c.Closed()
		}
		return nil
	})
	if ok != want {
		t.Fatalf("connection from %s: %v, want %v", ip, ok, want)
	}
	return c, closed
}

// TestConnections: an address has a number of connections without a session, and those with one do not count.
func TestConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(small())
		defer g.Close()
		var all []*Conn
		for range 4 {
			c, _ := connect(t, g, "192.0.2.1", true)
			all = append(all, c)
		}
		connect(t, g, "192.0.2.1", false)
		c, _ := connect(t, g, "192.0.2.2", true)
		all = append(all, c)

		all[0].Free() // it carried a session
		c, closed := connect(t, g, "192.0.2.1", true)
		all = append(all, c)
		connect(t, g, "192.0.2.1", false)

		// Later the one that did nothing for longest ends for the next, unless it serves a request.
		q, ok := all[1].Begin(0)
		if !ok {
			t.Fatal("a request is refused")
		}
		time.Sleep(evictAfter) // of the bubble's clock
		oldest := all[2]
		c, _ = connect(t, g, "192.0.2.1", true)
		all = append(all, c)
		g.mu.Lock()
		if oldest.el != nil || all[1].el == nil {
			t.Error("another connection was ended than the idle one")
		}
		g.mu.Unlock()
		if closed.Load() {
			t.Error("a younger connection was ended")
		}
		q.End()

		// An IPv6 network of 64 bits is one address.
		for i := range 4 {
			c, _ := connect(t, g, fmt.Sprintf("2001:db8::%d:1", i), true)
			all = append(all, c)
		}
		connect(t, g, "2001:db8::ffff", false)
		c, _ = connect(t, g, "2001:db8:0:1::1", true)
		all = append(all, c)
		// All together have a number, too: 4 + 1 + 4 + 1.
		connect(t, g, "198.51.100.1", false)
		// A free connection takes nothing of it.
		all[4].Free()
		c, _ = connect(t, g, "198.51.100.1", true)
		all = append(all, c)
		for _, c := range all {
			c.Closed()
			c.Closed()
		}
		g.empty(t)
	})
}

// TestTrustedProxies: a proxy's connections do not count.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(small())
		defer g.Close()
		g.Trust(netip.MustParseAddr("192.0.2.1"))
		for range 20 {
			if c, _ := connect(t, g, "192.0.2.1", true); c.Counts() {
				t.Fatal("it counts")
			}
		}
		time.Sleep(trustFor + 2*sweepEvery) // of the bubble's clock
		c, _ := connect(t, g, "192.0.2.1", true)
		if !c.Counts() {
			t.Error("a proxy that was not seen for long is trusted")
		}
		c.Closed()
		if c, ok := g.Connect(netip.Addr{}, nil); !ok || c.Counts() { // a Unix socket
			t.Error("a connection without an address counts")
		}
		g.empty(t)
	})
}

// TestSlowConnections: a connection without a session ends when it sends nothing, and not in the middle of a request.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(small())
		defer g.Close()
		halfOpen, halfClosed := connect(t, g, "192.0.2.1", true)
		_ = halfOpen
		idle, idleClosed := connect(t, g, "192.0.2.2", true)
		idle.judged(false)
		busy, busyClosed := connect(t, g, "192.0.2.3", true)
		q, _ := busy.Begin(0)
		free, freeClosed := connect(t, g, "192.0.2.4", true)
		free.Free()
		time.Sleep(headTimeout + 2*sweepEvery) // of the bubble's clock
		if !halfClosed.Load() || idleClosed.Load() || busyClosed.Load() {
			t.Errorf("after the time for a head: %v %v %v", halfClosed.Load(), idleClosed.Load(), busyClosed.Load())
		}
		time.Sleep(idleTimeout) // of the bubble's clock
		if !idleClosed.Load() || busyClosed.Load() || freeClosed.Load() {
			t.Errorf("after the time between requests: %v %v %v", idleClosed.Load(), busyClosed.Load(), freeClosed.Load())
		}
		q.End()
		busy.Closed()
		g.empty(t)
	})
}

// TestHeads: memory for heads is waited for, given back when a head is judged, and one large head always passes.
func TestHeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(small())
		defer g.Close()
		a, _ := connect(t, g, "192.0.2.1", true)
		b, _ := connect(t, g, "192.0.2.1", true)
		if err := a.takeHead(50_000); err != nil { // alone, over the limit
			t.Fatal(err)
		}
		if err := a.takeHead(50_000); err != nil { // and further
			t.Fatal(err)
		}
		got := make(chan error)
		go func() { got <- b.takeHead(1) }()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		a.judged(false)
		if err := <-got; err != nil {
			t.Error(err)
		}
		if err := a.takeHead(9_999); err != nil {
			t.Error(err)
		}
		if err := a.takeHead(1); err != nil { // it is the large one now
			t.Error(err)
		}
		if err := b.takeHead(1); err == nil { // nobody is judged in time
			t.Error("a second one is over the limit")
		}
		// HTTP/2: as many as are whole, each in its turn; those that make no request are dropped.
		a.judged(false)
		for _, n := range []int64{10, 20, 30} {
			if err := a.takeHead(n); err != nil {
				t.Error(err)
			}
			a.wholeHead(n)
		}
		if err := a.takeHead(5); err != nil {
			t.Error(err)
		}
		a.dropHead(5)
		a.judged(true)
		a.judged(true)
		if g.heads != 31 { // 1 is b's
			t.Errorf("%d bytes are held", g.heads)
		}
		// The large one stays it until it is judged, or within the limit again.
		if err := a.takeHead(20_000); err != nil {
			t.Error(err)
		}
		a.dropHead(30)
		if err := b.takeHead(1); err == nil {
			t.Error("another one is over the limit, too")
		}
		a.dropHead(19_000)
		if err := b.takeHead(1); err != nil {
			t.Error(err)
		}
		a.dropHead(940)
		// What waits when its connection becomes free goes on.
		if err := a.takeHead(9_000); err != nil {
			t.Error(err)
		}
		go func() { got <- b.takeHead(5_000) }()
		synctest.Wait()
		b.Free()
		if err := <-got; err != nil {
			t.Errorf("a free connection: %v", err)
		}
		a.Closed()
		if err := a.takeHead(1); err == nil {
			t.Error("a closed connection has memory")
		}
		g.empty(t)
	})
}

// TestRequests: an address has a number of requests without a session in flight.
func TestRequests(t *testing.T) {
	t.Parallel()
	g := open(t, small())
	c, _ := connect(t, g, "192.0.2.1", true)
	var all []*Request
	for range 3 {
		q, ok := c.Begin(100)
		if !ok || !q.Counts() {
			t.Fatal("refused")
		}
		all = append(all, q)
	}
	if _, ok := c.Begin(0); ok {
		t.Error("a fourth")
	}
	all[0].End()
	all[0].End()
	if _, ok := c.Begin(20_000); ok {
		t.Error("more headers than there is memory for")
	}
	if q, ok := g.BeginFor(netip.MustParseAddr("192.0.2.1"), 0); !ok {
		t.Error("one was given back")
	} else {
		all = append(all, q)
	}
	if _, ok := g.BeginFor(netip.MustParseAddr("192.0.2.1"), 0); ok {
		t.Error("they are of one address")
	}
	// Somebody signed in: their request and their connection do not count.
	all[1].SignedIn()
	if all[1].Counts() || c.Counts() {
		t.Error("it still counts")
	}
	q, ok := c.Begin(1 << 20)
	if !ok || q.Counts() {
		t.Error("a free connection's request counts")
	}
	for _, q := range append(all, q) {
		q.End()
	}
	g.empty(t)
	c.Closed()
}

// TestLargeHeadsArePaced: large heads of an address come at a pace, small ones and other addresses' at once.
func TestLargeHeadsArePaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(small())
		defer g.Close()
		c, _ := connect(t, g, "192.0.2.1", true)
		other, _ := connect(t, g, "192.0.2.2", true)
		began := time.Now()
		for range largeBurst / (2 << 20) {
			if err := c.paceHead(2 << 20); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			if c.paceHead(largeHead-1) != nil {
				t.Fatal("refused")
			}
		}
		if err := other.paceHead(largeBurst); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 0 { // of the bubble's clock
			t.Errorf("the burst took %v", d)
		}
		for range 16 {
			if err := c.paceHead(2 << 20); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d < 1900*time.Millisecond || d > 2100*time.Millisecond { // of the bubble's clock
			t.Errorf("32 MiB took %v", d)
		}
		refused := 0
		done := make(chan error)
		for range 100 { // at once
			go func() { done <- c.paceHead(2 << 20) }()
		}
		for range 100 {
			if <-done != nil {
				refused++
			}
		}
		if refused != 100-int(headWait/time.Second)*8 {
			t.Errorf("%d are refused", refused)
		}
		c.Free()
		if err := c.paceHead(1 << 30); err != nil {
			t.Error(err)
		}
		other.Closed()
		g.empty(t)
	})
}
