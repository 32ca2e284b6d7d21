package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func (c *Console) auditPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	l := auditOf(r.URL.Query())
	if l.Cursor, err = c.Identity.ShowCursor(o.ID, l.Cursor); err != nil {
		return err
	}
	entries, err := c.Store.Audit(r.Context(), who.Actor, o.ID, l)
	if err != nil {
		return err
	}
	entries.Next = c.Identity.HideCursor(o.ID, entries.Next)
	return c.show(w, r, http.StatusOK, "audit.html", view{Title: o.Name + " audit", Who: who, Org: &o, Tab: "audit", Form: r.URL.Query(), Data: entries})
}

func (c *Console) platformAudit(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	p, err := c.Store.PlatformAudit(r.Context(), who.Actor, auditOf(r.URL.Query()))
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "platform-audit.html", view{Title: "Audit", Who: who, Section: "audit", Form: r.URL.Query(), Data: p})
}

func auditOf(q url.Values) registry.AuditList {
	l := listOf(q)
	l.Sort = ""
	return registry.AuditList{List: l, Actor: q.Get("actor"), Action: registry.ChangeKind(q.Get("action"))}
}
