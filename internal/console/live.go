package console

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	liveEvery = 5 * time.Second        // between two checks while the change feed is quiet
	liveLeast = 250 * time.Millisecond // between two checks in a burst of changes

	// How old a page gets by what no change announces: charts, capacity, ages.
	orgMaxAge      = time.Minute // a chart of the last hour has a point a minute
	platformMaxAge = 10 * time.Second
)

// liveVersion hashes what a live page shows. It changes at least every maxAge.
func (c *Console) liveVersion(maxAge time.Duration, shown ...any) (string, error) {
	b, err := json.Marshal(append(shown, c.Now().Truncate(maxAge).Unix()))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

// versionOf returns what a page's version is for somebody now.
type versionOf func(web.Caller) (string, error)

// orgVersion is the version of an org's live pages. It fills in v.Log.
func (c *Console) orgVersion(ctx context.Context, v *view) (string, error) {
	v.Log = c.printed(ctx, *v)
	shown := *v.Org
	shown.Instance.Heartbeat = nil // it ages as a chart does
	return c.liveVersion(orgMaxAge, shown, v.Log, v.Who.Actor.Platform())
}

// keepLive makes an org's page a live one.
func (c *Console) keepLive(ctx context.Context, v *view) (err error) {
	v.Live = "/orgs/" + string(v.Org.ID) + "/live" // the ID outlives a change of address
	v.LiveID, err = c.orgVersion(ctx, v)
	return err
}

// orgLive streams changes of an org's pages.
func (c *Console) orgLive(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	return c.live(w, r, who, func(now web.Caller) (string, error) {
		o, err := c.Store.Org(r.Context(), now.Actor, o.ID)
		if err != nil {
			return "", err
		}
		return c.orgVersion(r.Context(), &view{Org: &o, Who: now})
	})
}

// platformLive streams changes of the platform's overview.
func (c *Console) platformLive(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.live(w, r, who, func(now web.Caller) (string, error) {
		t, err := c.Store.Totals(r.Context(), now.Actor)
		if err != nil {
			return "", err
		}
		return c.liveVersion(platformMaxAge, t)
	})
}

// live sends "changed" whenever a page's version differs from the last one sent, starting from the
// Last-Event-ID of the header or the query (a script cannot set the header). An event carries no
// content: the browser fetches the page again. "ping" shows that the connection is alive. The
// stream ends with the session and with the permission to see the page. The browser then learns
// why from the page itself.
func (c *Console) live(
	w http.ResponseWriter, r *http.Request, who web.Caller, version versionOf,
) error {
	if _, err := version(who); err != nil {
		return err
	}
	last := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("last-event-id"))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	send := func(event string) bool {
		_, err := fmt.Fprintf(w, "%s\ndata:\n\n", event)
		return err == nil && control.Flush() == nil
	}
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for quiet := true; ; {
		changed := c.Store.Changed()
		now, err := web.StillWho(c.Identity, r)
		if err != nil {
			return nil // the store is away; the browser reconnects
		}
		if now.Session.ID != who.Session.ID {
			return nil
		}
		v, err := version(now)
		switch registry.ErrorCode(err) {
		case registry.CodeNotFound, registry.CodeForbidden, registry.CodeReauthenticationNeeded:
			return nil
		}
		switch {
		case err == nil && v != last:
			last = v
			if !send("id: " + v + "\nevent: changed") {
				return nil
			}
		case quiet: // a ping for each change would tell an org's people how much others do
			if !send("event: ping") {
				return nil
			}
		}
		quiet = false
		least := time.After(liveLeast)
		select {
		case <-r.Context().Done():
			return nil
		case <-c.Ended():
			return nil
		case <-changed:
			<-least
		case <-tick.C:
			quiet = true
		}
	}
}
