package console

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// appsData is what the page of apps shows.
type appsData struct {
	Apps   []registry.Client
	Made   *registry.Client // just registered, or given another secret
	Secret string           // of it, shown this once
	Slugs  map[registry.OrgID]string
}

// newApp is an app with its new secret, shown once.
type newApp struct {
	App    registry.Client
	Secret string
}

func (c *Console) appsView(r *http.Request, who web.Caller) (view, appsData, error) {
	var d appsData
	var err error
	if d.Apps, err = c.Store.Clients(r.Context(), who.Actor); err != nil {
		return view{}, d, err
	}
	d.Slugs = map[registry.OrgID]string{}
	for _, a := range d.Apps {
		if a.OrgID == "" {
			continue
		}
		if o, err := c.Store.Org(r.Context(), who.Actor, a.OrgID); err == nil {
			d.Slugs[a.OrgID] = o.Slug
		}
	}
	done := map[string]string{"deleted": "The app is deleted. What it was given has ended."}[r.URL.Query().Get("done")]
	return view{Title: "Apps", Who: who, Section: "apps", Data: d, Done: done}, d, nil
}

func (c *Console) appsPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.appsView(r, who)
	if err != nil {
		return err
	}
	var made newApp
	if ok, err := c.takeShown(r, who, &made); err != nil {
		return err
	} else if ok {
		d.Made, d.Secret = &made.App, made.Secret
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "apps.html", v)
}

func (c *Console) createApp(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	n := registry.NewClient{
		Name: r.PostForm.Get("name"), Public: r.PostForm.Has("public"),
		RedirectURIs: strings.Fields(r.PostForm.Get("redirect_uris")), LogoutURIs: strings.Fields(r.PostForm.Get("logout_uris")),
		IDTokenAlg: r.PostForm.Get("id_token_alg"),
	}
	return c.madeApp(w, r, who, func() (registry.Client, token.Secret, error) {
		if slug := strings.TrimSpace(r.PostForm.Get("org")); slug != "" {
			o, err := c.Store.OrgBySlug(r.Context(), who.Actor, slug)
			if err != nil {
				return registry.Client{}, "", registry.Errorf(registry.CodeInvalid, "org", "There is no org with the address %q.", slug)
			}
			n.OrgID = o.ID
		}
		return c.Identity.CreateClient(r.Context(), who.Actor, n)
	})
}

func (c *Console) newAppSecret(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.madeApp(w, r, who, func() (registry.Client, token.Secret, error) {
		return c.Identity.RotateClientSecret(r.Context(), who.Actor, registry.ClientID(r.PathValue("client")))
	})
}

// madeApp shows an app's new secret, this once.
func (c *Console) madeApp(w http.ResponseWriter, r *http.Request, who web.Caller, f func() (registry.Client, token.Secret, error)) error {
	made, secret, err := f()
	if err != nil {
		v, _, err2 := c.appsView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "apps.html", v, err)
	}
	return c.redirectShown(w, r, who, "/platform/apps", newApp{made, secret.Reveal()})
}

func (c *Console) deleteApp(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if err := c.Store.DeleteClient(r.Context(), who.Actor, registry.ClientID(r.PathValue("client"))); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/apps?done=deleted", http.StatusSeeOther)
	return nil
}

// deviceData is what the page that signs a device in shows.
type deviceData struct {
	Code    string
	Request *registry.DeviceRequest // that waits with the code
	Answer  string                  // approved or denied
}

// devicePage asks for the code that a device shows, and then whether to sign it in (RFC 8628, section 3.3).
func (c *Console) devicePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	d := deviceData{Code: r.URL.Query().Get("user_code")}
	v := view{Title: "Sign a device in", Who: who}
	if _, err := c.takeShown(r, who, &d.Answer); err != nil {
		return err
	}
	if d.Code != "" {
		req, err := c.Identity.DeviceRequest(r.Context(), who.Actor, d.Code)
		switch registry.ErrorCode(err) {
		case "":
			if err != nil {
				return err
			}
			d.Request, d.Code = &req, req.UserCode[:4]+"-"+req.UserCode[4:]
		case registry.CodeGone, registry.CodeTooManyRequests:
			v.Field, v.Error = wire.Message(err)
			v.Data = d
			return c.show(w, r, wire.Status(err), "device.html", v)
		default:
			return err
		}
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "device.html", v)
}

func (c *Console) decideDevice(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	d := deviceData{Code: r.PostForm.Get("user_code"), Answer: "denied"}
	answer := decision(r)
	if answer == registry.DecisionApprove {
		d.Answer = "approved"
	}
	if err := c.Identity.DecideDevice(r.Context(), who.Actor, d.Code, answer); err != nil {
		return err
	}
	return c.redirectShown(w, r, who, "/device", d.Answer)
}
