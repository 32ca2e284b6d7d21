package console

import (
	"context"
	"io"
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// printed is what an unhealthy server printed last, for those who may read it.
func (c *Console) printed(ctx context.Context, v view) string {
	return web.Printed(ctx, c.Logs, v.Who.Actor, *v.Org)
}

func (c *Console) instancePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.orgView(r, who, "instance", registry.ActionOrgRead)
	if err != nil {
		return err
	}
	v.Org.Instance.MarkOutdated(c.Outdated())
	c.Count(&v.Org.Instance)
	if who.Actor.SeesAll() {
		v.Image = c.Image(v.Org.ID, v.Org.Instance.Generation)
	}
	if v.May(registry.ActionInstanceLogs) {
		log, err := c.Logs(r.Context(), v.Org.ID, 200, false)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		b, err := io.ReadAll(io.LimitReader(log, 1<<20))
		if err != nil {
			return err
		}
		v.Data = string(b)
	}
	if err := c.keepLive(r.Context(), &v); err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "instance.html", v)
}

// instanceLog streams what an instance prints from now on.
func (c *Console) instanceLog(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.orgView(r, who, "instance", registry.ActionInstanceLogs)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	log, err := c.Logs(ctx, v.Org.ID, 0, true)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if err := web.Pour(ctx, cancel, w, log, web.Guard{Ended: c.Ended(), Changed: c.Store.Changed, May: func() bool {
		now, err := web.StillWho(c.Identity, r)
		if err != nil || now.Session.ID != who.Session.ID {
			return false
		}
		_, err = c.Store.Authorize(ctx, now.Actor, v.Org.ID, registry.ActionInstanceLogs)
		return err == nil
	}}); err != nil {
		c.Log.Warn("log", "org", v.Org.ID, "error", err)
	}
	return nil
}

func (c *Console) instancesPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	d, err := c.orgsData(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "instances.html", view{Title: "Instances", Who: who, Section: "instances", Form: r.URL.Query(), Data: d})
}
