package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
)

// toRenamed leads from a page of an org's former address to the same page of its present one, with
// the same method and form, if the caller may see the org. It reports whether it did.
func (c *Console) toRenamed(w http.ResponseWriter, r *http.Request, pattern string, who web.Caller) bool {
	at := slices.Index(strings.Split(pattern, "/"), "{org}")
	if at < 0 {
		return false
	}
	o, err := c.Store.OrgByFormerSlug(r.Context(), who.Actor, r.PathValue("org"))
	if err != nil {
		return false
	}
	path := strings.Split(r.URL.EscapedPath(), "/")
	path[at] = o.Slug
	to := strings.Join(path, "/")
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	// Temporary: after its quarantine the address may be another org's.
	http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	return true
}
