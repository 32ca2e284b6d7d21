package console

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	purposeStamp = "console/form"
	maxStamped   = 1000 // bytes of a page's address; a longer one is left out
)

// stamp says for whom and on which page a form was made. It is part of the form's nonce, sealed:
// who sends a form may have signed out meanwhile, and a browser need not say which page it came
// from.
type stamp struct {
	User registry.UserID `json:"u,omitempty"`
	Page string          `json:"p,omitempty"`
	Salt string          `json:"s"`
}

// sent is a form that somebody sent.
type sent struct {
	stamp
	who     web.Caller // who sent it
	nonce   string
	action  string
	form    url.Values
	refused error // why its page is shown again
	resumed bool  // its page is shown again after a new sign-in
	failed  error // of showing that page
}

type sentKey struct{}

func sentOf(ctx context.Context) *sent {
	s, _ := ctx.Value(sentKey{}).(*sent)
	return s
}

// refill is the form, to be filled in again where it was refused.
func (s *sent) refill() *refill {
	if s == nil || s.refused == nil && !s.resumed {
		return nil
	}
	stale := registry.ErrorCode(s.refused) == registry.CodeVersionConflict
	return &refill{action: s.action, typed: s.form, stale: stale}
}

// ofSomebodyElse reports whether the form's page was opened by another account: in a tab that
// stayed open while its browser signed in as somebody else.
func (s *sent) ofSomebodyElse(who web.Caller) bool {
	return s != nil && s.User != "" && s.User != who.Actor.User
}

// receive reads a form's nonce, and takes it out of the form.
func (c *Console) receive(r *http.Request) *http.Request {
	s := &sent{nonce: r.PostForm.Get(nonceField), action: r.URL.Path, form: r.PostForm}
	r.PostForm.Del(nonceField)
	sealed, _, _ := strings.Cut(s.nonce, ".")
	if b, err := base64.RawURLEncoding.DecodeString(sealed); err == nil {
		if b, err = c.Identity.Open(purposeStamp, "", b); err == nil {
			_ = json.Unmarshal(b, &s.stamp)
		}
	}
	return r.WithContext(context.WithValue(r.Context(), sentKey{}, s))
}

// stamped seals the stamp of a page's forms.
func (c *Console) stamped(r *http.Request, v view) (string, error) {
	st := stamp{User: v.Who.Actor.User, Salt: rand.Text(), Page: v.FormPage}
	switch s := sentOf(r.Context()); {
	case st.Page != "":
	case s != nil && r.Method == http.MethodPost:
		st.Page = s.Page
	default:
		st.Page = pageOf(r.URL)
	}
	b, err := json.Marshal(st)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(c.Identity.Seal(purposeStamp, "", b)), nil
}

// pageOf is a page's address without what it says once.
func pageOf(u *url.URL) string {
	q := u.Query()
	q.Del("done")
	q.Del(shownParam)
	if u := (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String(); len(u) <= maxStamped {
		return u
	}
	return ""
}

// onItsPage answers a form that was refused with the page that it is on, what is wrong and what was
// typed. It reports whether it could.
func (c *Console) onItsPage(w http.ResponseWriter, r *http.Request, who web.Caller,
	err error) bool {
	s := sentOf(r.Context())
	if s == nil || s.Page == "" || !correctable(err) {
		return false
	}
	s.refused = err
	return c.showPageOf(w, r, who, s)
}

// showPageOf shows the page that a form is on, filled in. It reports whether it could.
func (c *Console) showPageOf(w http.ResponseWriter, r *http.Request, who web.Caller, s *sent) bool {
	u, err := url.Parse(s.Page)
	if err != nil {
		return false
	}
	s.who, s.failed = who, registry.Errorf(registry.CodeNotFound, "", "there is no such page")
	page := r.Clone(context.WithValue(r.Context(), sentKey{}, s))
	page.Method, page.URL, page.RequestURI = http.MethodGet, u, s.Page
	page.Form, page.PostForm, page.Body = nil, nil, http.NoBody
	c.forms.ServeHTTP(w, page)
	return s.failed == nil
}

// correctable reports whether sending a form again, with something else in it, may help.
func correctable(err error) bool {
	switch registry.ErrorCode(err) {
	case "", registry.CodeNotFound, registry.CodeGone, registry.CodeReauthenticationNeeded:
		return false
	}
	return true
}
