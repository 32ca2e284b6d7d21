package console

import (
	"encoding/base64"
	"net/http"
	"net/url"
)

const (
	purposeAbout = "console/about"
	aboutParam   = "about"
)

// about is where a form of somebody who is not signed in leads to, with the address or the name that
// the page there is about. It is sealed: neither is for access logs, nor for others to make up.
func (c *Console) about(path, text string) string {
	sealed := c.Identity.Seal(purposeAbout, path, []byte(text))
	v := url.Values{aboutParam: {base64.RawURLEncoding.EncodeToString(sealed)}}
	return path + "?" + v.Encode()
}

// aboutOf is what about said of the page, "" for nothing.
func (c *Console) aboutOf(r *http.Request) string {
	sealed, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get(aboutParam))
	if err != nil {
		return ""
	}
	text, err := c.Identity.Open(purposeAbout, r.URL.Path, sealed)
	if err != nil {
		return ""
	}
	return string(text)
}
