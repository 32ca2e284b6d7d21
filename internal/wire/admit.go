package wire

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/registry"
)

// Admit judges a request for the control plane by its authority and its target, before anything
// looks at its path, and says how its host is to be reached. It returns false when it answered the
// request itself: another host's cookies must never be the control plane's, so only its own name is
// answered.
func Admit(w http.ResponseWriter, r *http.Request, issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		http.Error(w, "The issuer is not a URL.", http.StatusInternalServerError)
		return false
	}
	own, _ := registry.HostOf(u.Host)
	if !registry.SameHost(own, r.Host) || r.TLS != nil && r.TLS.ServerName != "" && !registry.SameHost(r.TLS.ServerName, own) {
		http.Error(w, "This is not the control plane's address.", http.StatusMisdirectedRequest)
		return false
	}
	SetHSTS(w.Header(), issuer)
	if !OriginForm(r) {
		http.Error(w, "The request must name a path on this host, in ASCII, with everything else percent-encoded.", http.StatusBadRequest)
		return false
	}
	return true
}
