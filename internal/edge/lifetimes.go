package edge

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
)

// ends is when a session is over, in Unix seconds, by what its org asked for when it was issued and
// by what the installation says now. 0: not by itself.
func (g *Gateway) ends(c *token.SessionClaims) int64 { return g.endOf(c.Ends, c.Began) }

func (g *Gateway) endOf(ends, began int64) int64 {
	if ends == 0 {
		return 0
	}
	return min(ends, began+int64(g.Lifetimes().Absolute))
}

// idle is after how many seconds without use a session is over; 0: it may rest.
func (g *Gateway) idle(c *token.SessionClaims) int64 {
	if c.Idle == 0 {
		return 0
	}
	return min(c.Idle, int64(g.Lifetimes().Idle))
}

// renewal is how old a token gets before it is renewed, in seconds: in time to note that its session
// is in use.
func (g *Gateway) renewal(c *token.SessionClaims) int64 {
	life := int64(token.SessionTokenLife / time.Second)
	if idle := g.idle(c); idle > 0 {
		life = min(life, idle)
	}
	return life / 2
}

// lastUse is when a session was last used here, in Unix seconds.
func (s *session) lastUse() int64 { return max(s.used.Load(), s.claims.IssuedAt) }

// endSessions ends what people have in flight when their sessions are over, until ctx is done.
func (g *Gateway) endSessions(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.endOver()
		}
	}
}

func (g *Gateway) endOver() {
	now := g.Now().Unix()
	over := func(x *exchange) bool {
		end := g.endOf(x.ends, x.began)
		return end != 0 && end <= now
	}
	for i := range g.Streams.sessions {
		cut(g.Streams.sessions[i].find(over), farewell{closeUnauthorized, "the session is over"})
	}
}
