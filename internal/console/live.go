package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const liveEvery = 5 * time.Second

// live streams an org's state as a piece of its page whenever it changes. Each
// event is the whole state, so a browser that reconnects needs nothing it missed.
// Who may no longer see the org, or is signed out, gets nothing more.
func (c *Console) live(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	flush := http.NewResponseController(w).Flush
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	last := ""
	for {
		changed := c.Store.Changed()
		now, err := web.Who(c.Identity, r)
		if err != nil || now.Session.ID != who.Session.ID {
			return nil
		}
		v, err := c.Store.Org(r.Context(), now.Actor, o.ID)
		if registry.ErrorCode(err) == registry.NotFound {
			_, _ = fmt.Fprint(w, "event: gone\ndata: \n\n")
			return nil
		}
		if err == nil {
			var b bytes.Buffer
			page := view{Org: &v, Site: c.Identity.Site(), Who: now}
			page.Log = c.printed(r.Context(), page)
			if err := c.pages["org.html"].ExecuteTemplate(&b, "state", page); err != nil {
				return nil
			}
			if s := b.String(); s != last {
				last = s
				_, _ = fmt.Fprintf(w, "id: %d\nevent: state\ndata: %s\n\n", v.Instance.ChangedAt.UnixMicro(), strings.ReplaceAll(s, "\n", "\ndata: "))
			}
		}
		if _, err := fmt.Fprint(w, ": \n\n"); err != nil || flush() != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-c.Ended():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}
