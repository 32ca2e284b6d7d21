package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	purposeShown = "shown"
	shownParam   = "shown"
)

// redirectShown answers a form whose effect includes something to show once, such as a new key. The
// page at to shows v at its next load only: a reload neither repeats the form nor shows v again.
// v waits sealed in the store; the address holds an ID that is worthless to any other session.
func (c *Console) redirectShown(w http.ResponseWriter, r *http.Request, who web.Caller, to string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	id := registry.NewID()
	sealed := c.Identity.Seal(purposeShown, shownName(id, who), b)
	if err := c.Store.KeepDraft(r.Context(), who.Actor, who.Actor.User, registry.DraftID(id), sealed); err != nil {
		return err
	}
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	http.Redirect(w, r, to+sep+url.Values{shownParam: {id}}.Encode(), http.StatusSeeOther)
	return nil
}

// takeShown reads what redirectShown left for this page into v, and removes it. It reports whether
// there was something.
func (c *Console) takeShown(r *http.Request, who web.Caller, v any) (bool, error) {
	id := r.URL.Query().Get(shownParam)
	// Another site may lead here, and must not use up what waits.
	if id == "" || r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return false, nil
	}
	sealed, err := c.Store.TakeDraft(r.Context(), who.Actor, registry.DraftID(id))
	if registry.ErrorCode(err) == registry.CodeGone {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := c.Identity.Open(purposeShown, shownName(id, who), sealed)
	if err != nil { // of another session, or a form that waits for a new sign-in
		return false, nil
	}
	return true, json.Unmarshal(b, v)
}

func shownName(id string, who web.Caller) string { return id + "/" + string(who.Session.ID) }
