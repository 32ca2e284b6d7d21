package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	purposeDraft = "draft"
	continuePath = "/continue/"
)

// draft is a form that somebody sent who has to sign in again first.
type draft struct {
	Action string     `json:"action"` // where it was sent: a path of the console
	From   string     `json:"from"`   // the page that it stands on
	Form   url.Values `json:"form"`   // without passwords
}

// backTo is where to come back to after a new sign-in: the page, or of a form one that sends it
// again, so that nothing that was typed is lost.
func (c *Console) backTo(r *http.Request, who web.Caller) string {
	from, s := wire.CameFrom(r, c.Identity.Site().Issuer), sentOf(r.Context())
	if s == nil {
		return from
	}
	if s.Page != "" {
		from = s.Page
	}
	as, user := who.Actor, who.Actor.User
	if user == "" { // the session has ended
		as, user = registry.AsSystem("console"), s.User
	}
	if user == "" {
		return from
	}
	d := draft{Action: r.URL.RequestURI(), From: from, Form: url.Values{}}
	for k, v := range r.PostForm {
		if !strings.HasSuffix(k, "password") {
			d.Form[k] = v
		}
	}
	b, err := json.Marshal(d)
	if err != nil {
		c.Log.Error("console", "path", r.URL.Path, "error", err)
		return from
	}
	id := registry.NewID()
	sealed := c.Identity.Seal(purposeDraft, id, b)
	if err := c.Store.KeepDraft(r.Context(), as, user, registry.DraftID(id), sealed); err != nil {
		c.Log.Error("console", "path", r.URL.Path, "error", err)
		return from
	}
	return continuePath + id
}

// draftField is a value that was typed, for people to see what they send.
type draftField struct{ Name, Value string }

type draftData struct {
	draft
	Shown []draftField
}

// draftPage shows what was sent before the new sign-in, and sends it again by a click, or fills it in
// again where it can be changed.
func (c *Console) draftPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := r.PathValue("draft")
	sealed, err := c.Store.Draft(r.Context(), who.Actor, registry.DraftID(id))
	if err != nil {
		return err
	}
	var d draftData
	b, err := c.Identity.Open(purposeDraft, id, sealed)
	if err == nil {
		err = json.Unmarshal(b, &d.draft)
	}
	if err != nil {
		return err
	}
	if r.URL.Query().Has("edit") {
		s := &sent{stamp: stamp{Page: d.From}, action: d.Action, form: d.Form, resumed: true}
		if c.showPageOf(w, r, who, s) {
			return nil
		}
	}
	for name, values := range d.Form {
		for _, v := range values {
			if v == "" || c.hides(name, d.Form) {
				continue
			}
			name := strings.ReplaceAll(name, "_", " ")
			d.Shown = append(d.Shown, draftField{strings.ToUpper(name[:1]) + name[1:], v})
		}
	}
	sort.Slice(d.Shown, func(i, j int) bool { return d.Shown[i].Name < d.Shown[j].Name })
	return c.show(w, r, http.StatusOK, "draft.html", view{
		Title: "Continue", Who: who, Data: d, FormPage: d.From,
	})
}

// hides reports whether a field of a form is for nobody to read: a secret, or what forms carry along.
func (c *Console) hides(name string, form url.Values) bool {
	if f, ok := c.Settings.Schema().Field(strings.TrimPrefix(name, "set.")); ok {
		return f.Type == registry.FieldSecret
	}
	switch name {
	case versionField, seenField:
		return true
	case "new_value":
		return form.Has("new_secret")
	}
	return strings.Contains(name, "secret")
}
