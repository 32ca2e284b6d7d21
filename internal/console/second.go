package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// secondData is what the page shows that adds an authenticator app.
type secondData struct {
	New identity.NewTOTP
	QR  template.HTML
}

// setUpCookie keeps the secret of an authenticator app that is being added, so that the app that
// scanned it works whatever happens to the page: a wrong code, a reload, another sign-in.
const setUpCookie = "__Host-pizzeria-totp"

func (c *Console) secondStepView(w http.ResponseWriter, r *http.Request, who web.Caller) (view, error) {
	sealed := r.PostForm.Get("sealed")
	if sealed == "" {
		sealed, _ = wire.OneCookie(r, setUpCookie)
	}
	n, err := c.Identity.NewTOTP(who.Actor, who.User.Email, sealed)
	if err != nil {
		return view{}, err
	}
	setBrowserCookie(w, setUpCookie, n.Sealed, identity.AttemptLife)
	code, err := qrCode(n.URL)
	return view{Title: "Second step", Who: who, Form: backForm(r), Data: secondData{n, code}}, err
}

// secondStepPage shows one secret until it is confirmed; nothing is stored before a code shows that
// an app has it.
func (c *Console) secondStepPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if err := c.mayAdd(who); err != nil {
		return err
	}
	v, err := c.secondStepView(w, r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "second-step.html", v)
}

// mayAdd asks who has no password to show with the form for a new sign-in before it. Error: CodeReauthenticationNeeded.
func (c *Console) mayAdd(who web.Caller) error {
	if who.User.PasswordHash != "" {
		return nil
	}
	return who.MayNow(c.Identity.Now())
}

func (c *Console) addSecondStep(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	codes, err := c.Identity.AddTOTP(r.Context(), who.Actor, r.PostForm.Get("sealed"), r.PostForm.Get("name"), r.PostForm.Get("code"), r.PostForm.Get("old_password"))
	if err != nil {
		v, err2 := c.secondStepView(w, r, who)
		if err2 != nil {
			return err2
		}
		r.PostForm.Del("code")
		return c.again(w, r, "second-step.html", v, err)
	}
	setBrowserCookie(w, setUpCookie, "", 0)
	return c.toRecovery(w, r, who, codes, afterFactor(r))
}

// afterFactor is where somebody goes who has added a factor.
func afterFactor(r *http.Request) string {
	if back := backForm(r).Get("return"); back != "" {
		return back
	}
	return "/account?done=second"
}

// backForm keeps where somebody was going who is asked to add a factor first.
func backForm(r *http.Request) url.Values {
	if back := r.FormValue("return"); back != "" {
		return url.Values{"return": {returnTo(back)}}
	}
	return url.Values{}
}

func (c *Console) passkeyView(r *http.Request, who web.Caller) (view, error) {
	ask, err := c.Identity.NewPasskey(r.Context(), who.Actor)
	return view{Title: "Passkey", Who: who, Form: backForm(r), Data: ask}, err
}

func (c *Console) passkeyPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if err := c.mayAdd(who); err != nil {
		return err
	}
	v, err := c.passkeyView(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "passkey.html", v)
}

func (c *Console) addPasskey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	codes, err := c.Identity.AddPasskey(r.Context(), who.Actor, r.PostForm.Get("sealed"), r.PostForm.Get("name"), r.PostForm.Get("response"), r.PostForm.Get("old_password"))
	if err != nil {
		v, err2 := c.passkeyView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "passkey.html", v, late(err))
	}
	return c.toRecovery(w, r, who, codes, afterFactor(r))
}

// toRecovery leads to a page that shows recovery codes once, and then back; without codes it leads
// back at once.
func (c *Console) toRecovery(w http.ResponseWriter, r *http.Request, who web.Caller, codes []string, back string) error {
	if codes == nil {
		wire.GoTo(w, back)
		return nil
	}
	to := "/account/recovery-codes?" + url.Values{"return": {back}}.Encode()
	return c.redirectShown(w, r, who, to, codes)
}

// recoveryCodesPage shows codes that were just made; once they were shown, it leads on.
func (c *Console) recoveryCodesPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.URL.Query().Get("return"))
	var codes []string
	ok, err := c.takeShown(r, who, &codes)
	if err != nil {
		return err
	}
	if !ok {
		wire.GoTo(w, back)
		return nil
	}
	return c.show(w, r, http.StatusOK, "recovery.html", view{
		Title: "Recovery codes", Who: who, Form: url.Values{"return": {back}}, Data: codes,
	})
}

func (c *Console) removeSecondStep(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "second-removed", func() error {
		return c.Identity.RemoveFactor(r.Context(), who.Actor, registry.FactorID(r.PathValue("factor")), r.PostForm.Get("old_password"))
	})
}

func (c *Console) renewRecoveryCodes(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	codes, err := c.Identity.RenewRecoveryCodes(r.Context(), who.Actor, r.PostForm.Get("old_password"))
	if err != nil {
		return c.onAccount(w, r, who, "", func() error { return err })
	}
	return c.toRecovery(w, r, who, codes, "/account")
}

// removeFactors lets somebody in who lost what their second step needs.
func (c *Console) removeFactors(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	if err := c.Identity.RemoveFactors(r.Context(), who.Actor, id); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/users/"+string(id), http.StatusSeeOther)
	return nil
}

// qrCode draws a text as a QR code, in SVG: the page's policy lets no image in.
func qrCode(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	size, path := code.Bounds().Dx(), new(strings.Builder)
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	const quiet = 4                                                                                                                                                                                                                                                      // modules around it (ISO/IEC 18004)
	return template.HTML(fmt.Sprintf(`<svg class="qr" role="img" aria-label="QR code for an authenticator app" viewBox="%d %d %d %d" shape-rendering="crispEdges"><rect x="%[1]d" y="%[2]d" width="%[3]d" height="%[4]d" fill="#fff"/><path fill="#000" d="%s"/></svg>`, //nolint:gosec // numbers alone
		-quiet, -quiet, size+2*quiet, size+2*quiet, path)), nil
}
