package edge

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// framed reports whether a navigation fills a part of another page.
func framed(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "empty":
		return false
	}
	return true
}

// passedOn reports whether a service worker passed a navigation on that a page of another origin
// began. Its destination is then "empty" for a tab and for a frame, so it must not act for anybody.
func passedOn(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return navigation(r) && r.Header.Get("Sec-Fetch-Dest") == "empty" && site != "same-origin" && site != "none"
}

// onward answers a navigation that a worker passed on with a page that loads the address again, from
// the org's own origin. In a frame of another origin browsers do not show this page, nor follow it.
func (g *Gateway) onward(w http.ResponseWriter, r *http.Request, st *State) {
	referrer, err := url.Parse(r.Header.Get("Referer"))
	again := err == nil && "https://"+referrer.Host == g.Tokens.Site().OrgURL(st.Route.Slug) // then it did not help
	g.fail(w, r, st, Problem{
		Code: wire.Code(registry.ReasonCrossSiteRequest), Status: http.StatusForbidden, Title: "One moment", Detail: "A page of another site opened this address. It loads by itself now.",
		Refresh: !again, Again: wire.ReturnPath(r.URL.RequestURI()),
	})
}
