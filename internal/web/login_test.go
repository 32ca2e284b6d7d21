package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
)

// TestDeviceCookie: it is the control plane's alone, out of reach of scripts, and nothing when
// given twice.
func TestDeviceCookie(t *testing.T) {
	w := httptest.NewRecorder()
	SignedIn(w, identity.Login{Token: "token", Device: "device"})
	got := map[string]*http.Cookie{}
	for _, c := range w.Result().Cookies() {
		got[c.Name] = c
	}
	c := got[DeviceCookie]
	if len(got) != 2 || c == nil || got[Cookie] == nil {
		t.Fatalf("%v", w.Header())
	}
	if c.Value != "device" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 365*24*3600 {
		t.Errorf("%+v", c)
	}
	w = httptest.NewRecorder()
	SignedIn(w, identity.Login{Token: "token"}) // it could not be made: the browser keeps what it has
	if n := len(w.Result().Cookies()); n != 1 {
		t.Errorf("%d cookies", n)
	}

	r := httptest.NewRequest("POST", "/sign-in", nil)
	r.AddCookie(&http.Cookie{Name: DeviceCookie, Value: "one"})
	if d := ClientOf(r).Device; d != "one" {
		t.Errorf("%q", d)
	}
	r.AddCookie(&http.Cookie{Name: DeviceCookie, Value: "two"})
	if d := ClientOf(r).Device; d != "" {
		t.Errorf("given twice: %q", d)
	}
}
