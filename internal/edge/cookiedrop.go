package edge

import "time"

// CookieDrop says why a cookie did not pass between a browser and an instance.
type CookieDrop string

// The reasons.
const (
	CookieTooLarge CookieDrop = "too_large" // the browser's are more than the limit
	CookieDomain   CookieDrop = "domain"    // the instance's is for other hosts too
	CookieReserved CookieDrop = "reserved"  // the instance's has a name of ours
	CookieInvalid  CookieDrop = "invalid"   // the instance's holds control characters
)

// CookieDrops lists every reason.
func CookieDrops() []CookieDrop {
	return []CookieDrop{CookieTooLarge, CookieDomain, CookieReserved, CookieInvalid}
}

// dropLine is a line of the log that is not written again for a while.
type dropLine struct {
	org  string
	drop CookieDrop
}

const (
	dropLines     = 1000        // how many are remembered
	dropLinePause = time.Minute // between two about the same
)

// cookiesDropped tells the operator of cookies that did not pass: each is counted, and the log has
// a line a minute for an org and reason. Names and values are the app's, and stay out of it.
func (g *Gateway) cookiesDropped(s *State, drop CookieDrop, n, bytes int) {
	if g.CookieDropped != nil {
		g.CookieDropped(drop, n)
	}
	now, line := g.Now(), dropLine{string(s.Route.OrgID), drop}
	if last, ok := g.dropLines.Get(line); ok && now.Sub(last) < dropLinePause {
		return
	}
	g.dropLines.Add(line, now)
	g.Log.Warn("cookies dropped", "org", s.Route.OrgID, "reason", drop, "cookies", n, "bytes", bytes)
}
