package control

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	tellEvery = 5 * time.Second
	stateLife = 30 * time.Second // then a node that told nothing more has nothing open
	maxUses   = 10_000           // of one report
)

// told is what a node tells the others: what gateways counted since its last report. How it is now
// is a registry.Open beside it.
type told struct {
	Usage   map[registry.OrgID]toldUsage `json:"usage,omitempty"`
	Refused map[registry.OrgID]int       `json:"refused,omitempty"`
	Uses    []registry.SessionUse        `json:"uses,omitempty"`
}

// toldUsage is a registry.Usage of one org.
type toldUsage struct {
	Requests int64                          `json:"n"`
	Errors   int64                          `json:"e,omitempty"`
	Latency  [registry.LatencyBuckets]int64 `json:"l"`
}

func (t *told) empty() bool { return len(t.Usage) == 0 && len(t.Refused) == 0 && len(t.Uses) == 0 }

// nodes is what this node, one of several, tells the others and hears of them. It is safe for
// concurrent use.
type nodes struct {
	mu     sync.Mutex
	next   told // gateways counted it, and the others are to hear of it
	used   time.Time
	quiet  bool                 // the others know that there is nothing open here
	heard  map[string]time.Time // newest report of each node that told something a while ago
	others map[string]registry.Open
}

// count takes in what a gateway of this node counted.
func (n *nodes) count(usage map[registry.OrgID]registry.Usage, refused map[registry.OrgID]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next.Usage == nil {
		n.next.Usage, n.next.Refused = map[registry.OrgID]toldUsage{}, map[registry.OrgID]int{}
	}
	for org, u := range usage {
		sum := n.next.Usage[org]
		sum.Requests += u.Requests
		sum.Errors += u.Errors
		for i := range u.Latency {
			sum.Latency[i] += u.Latency[i]
		}
		n.next.Usage[org] = sum
	}
	for org, k := range refused {
		n.next.Refused[org] += k
	}
}

func (n *nodes) take() told {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.next
	n.next = told{}
	return t
}

// open is what an org and a session have open at other nodes.
func (n *nodes) open(org registry.OrgID, id registry.SessionID) (sum registry.OpenOfOrg, streams int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.others {
		sum.Requests += o.Orgs[org].Requests
		sum.WebSockets += o.Orgs[org].WebSockets
		streams += o.Streams[id]
	}
	return sum, streams
}

// busy is how many requests and WebSockets an org has open at all nodes: here now, and elsewhere as
// they last said.
func (c *Control) busy(org registry.OrgID) (requests, webSockets int) {
	requests, webSockets = c.Gateways.Busy(org)
	there, _ := c.nodes.open(org, "")
	return requests + there.Requests, webSockets + there.WebSockets
}

// connections is how many streams a session has open, likewise.
func (c *Control) connections(id registry.SessionID) int {
	_, there := c.nodes.open("", id)
	return c.Gateways.Connections(id) + there
}

// tellNodes passes on what this node counts, and takes in what others do, until ctx is done.
func (c *Control) tellNodes(ctx context.Context) {
	if c.Node == "" {
		return
	}
	said := c.quietly()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		said(ctx, c.tellNode(ctx, c.Gateways.Open()))
		said(ctx, c.hearNodes(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellNode tells the others what was counted, and what is open. What it cannot tell waits for the
// next time.
func (c *Control) tellNode(ctx context.Context, open registry.Open) error {
	if c.Node == "" {
		return nil
	}
	began, t := c.Now(), c.nodes.take()
	keep := func() { c.nodes.count(t.usage(), t.Refused) }
	uses, err := c.store.SessionUses(ctx, registry.AsSystem("nodes"), c.nodes.used)
	if err != nil {
		keep()
		return err
	}
	t.Uses = uses[:min(len(uses), maxUses)]
	idle := len(open.Orgs) == 0 && len(open.Streams) == 0
	if t.empty() && idle && c.nodes.quiet {
		return nil
	}
	r := registry.NodeReport{Node: c.Node}
	if r.Counts, err = json.Marshal(t); err == nil {
		r.State, err = json.Marshal(open)
	}
	if err == nil {
		err = c.store.ReportNode(ctx, registry.AsSystem("nodes"), r)
	}
	if err != nil {
		keep()
		return err
	}
	c.nodes.used, c.nodes.quiet = began, idle
	return nil
}

func (t *told) usage() map[registry.OrgID]registry.Usage {
	out := make(map[registry.OrgID]registry.Usage, len(t.Usage))
	for org, u := range t.Usage {
		out[org] = registry.Usage{Requests: u.Requests, Errors: u.Errors, Latency: u.Latency}
	}
	return out
}

// hearNodes takes in what other nodes told since the last time; at the first, of the last hour.
func (c *Control) hearNodes(ctx context.Context) error {
	system, now := registry.AsSystem("nodes"), c.Now()
	list, err := c.store.NodeReports(ctx, system, c.Node, c.nodes.since(now))
	if err != nil {
		return err
	}
	for _, r := range list {
		if !c.nodes.hear(r, now) {
			continue
		}
		var t told
		if err := json.Unmarshal(r.Counts, &t); err != nil {
			c.Log.Warn("cannot read the report of a node", "node", r.Node, "error", err)
			continue
		}
		c.usage.AddOf(r.At, t.usage())
		c.refused.add(t.Refused)
		for _, u := range t.Uses {
			if err := c.store.UsedSession(ctx, system, u.Session, u.Org, u.At); err != nil {
				return err
			}
		}
	}
	c.nodes.forget(now)
	return nil
}

// since is the time after which there may be reports that are not heard yet.
func (n *nodes) since(now time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	since := now.Add(-registry.NodeReportLife)
	first := true
	for _, at := range n.heard {
		if first || at.Before(since) {
			since, first = at, false
		}
	}
	return since
}

// hear takes in how a node is, and reports whether the report is one that was not heard before.
func (n *nodes) hear(r registry.NodeReport, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !r.At.After(n.heard[r.Node]) {
		return false
	}
	if n.heard == nil {
		n.heard, n.others = map[string]time.Time{}, map[string]registry.Open{}
	}
	n.heard[r.Node] = r.At
	var o registry.Open
	if now.Sub(r.At) < stateLife && json.Unmarshal(r.State, &o) == nil {
		n.others[r.Node] = o
	}
	return true
}

// forget forgets nodes that have told nothing for a while.
func (n *nodes) forget(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	newest := ""
	for node, at := range n.heard {
		if at.After(n.heard[newest]) {
			newest = node
		}
	}
	for node, at := range n.heard {
		if now.Sub(at) < stateLife {
			continue
		}
		delete(n.others, node)
		if node != newest { // from there on it reads
			delete(n.heard, node)
		}
	}
}
