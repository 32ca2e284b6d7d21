package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// connectionsData is what the page about signing in shows, of an org or of the operator.
type connectionsData struct {
	Connections []connectionView
	Domains     []registry.Domain
	Base        string
	Sessions    registry.Lifetimes // of the installation
}

// connectionView is a connection with the address that its provider must know.
type connectionView struct {
	registry.Connection
	Callback string
	Mapping  string // as it is typed
}

// connectionsOf is the page of an org, or where there is no {org} of the operator's connections.
func (c *Console) connectionsOf(r *http.Request, who web.Caller, action registry.Action) (v view, org registry.OrgID, err error) {
	d := connectionsData{Base: "/platform/sign-in"}
	if r.PathValue("org") == "" {
		if !registry.Allows(who.Actor, "", action) {
			return v, "", registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees how everybody signs in.")
		}
		v = view{Title: "Sign-in", Who: who, Section: "sign-in"}
	} else {
		if v, err = c.orgView(r, who, "sign-in", action); err != nil {
			return v, "", err
		}
		d.Sessions = v.Org.PlanSessions.Shorter(c.Operator().Sessions)
		org, d.Base = v.Org.ID, "/orgs/"+v.Org.Slug+"/sign-in"
		if d.Domains, err = c.Store.Domains(r.Context(), who.Actor, org); err != nil {
			return v, org, err
		}
	}
	list, err := c.Store.Connections(r.Context(), who.Actor, org)
	if err != nil {
		return v, org, err
	}
	for _, k := range list {
		d.Connections = append(d.Connections, connectionView{k, c.Identity.ConnectionCallback(k.ID), mappingText(k.Roles)})
	}
	v.Data = d
	v.Done = map[string]string{
		"made": "The connection is made. Tell its provider the address below, to which it sends people back.", "saved": "Saved.",
		"deleted": "The connection is deleted. Who signed in by it is signed out.", "domain": "Add the record below to the domain, and then check it.",
		"verified": "The domain is verified.", "removed": "The domain is removed.",
	}[r.URL.Query().Get("done")]
	return v, org, nil
}

func (c *Console) connectionsPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.connectionsOf(r, who, registry.ActionSignInRead)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "connections.html", v)
}

// onConnections changes something of the page and comes back to it; what is refused is said there.
func (c *Console) onConnections(w http.ResponseWriter, r *http.Request, who web.Caller, done string, f func(org registry.OrgID) error) error {
	v, org, err := c.connectionsOf(r, who, registry.ActionSignInManage)
	if err != nil {
		return err
	}
	if err := f(org); err != nil {
		return c.again(w, r, "connections.html", v, err)
	}
	http.Redirect(w, r, v.Data.(connectionsData).Base+"?done="+done, http.StatusSeeOther)
	return nil
}

// specOf reads the form of a connection.
func specOf(r *http.Request) (registry.ConnectionSpec, error) {
	f := r.PostForm
	s := registry.ConnectionSpec{
		Name: f.Get("name"), Issuer: strings.TrimSpace(f.Get("issuer")), ClientID: strings.TrimSpace(f.Get("client_id")), Scopes: strings.Fields(f.Get("scopes")),
		SignUp: f.Has("sign_up"), Required: f.Has("required"), TrustEmail: f.Has("trust_email"), RolesClaim: strings.TrimSpace(f.Get("roles_claim")), DefaultRole: registry.Role(f.Get("default_role")),
	}
	for line := range strings.Lines(f.Get("roles")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		i := strings.LastIndexByte(line, '=')
		if i < 0 {
			return s, registry.Errorf(registry.CodeInvalid, "roles", "%q maps nothing: write a value, an equals sign and a role, such as developers = member", line)
		}
		s.Roles = append(s.Roles, registry.RoleMapping{Value: strings.TrimSpace(line[:i]), Role: registry.Role(strings.TrimSpace(line[i+1:]))})
	}
	return s, nil
}

func mappingText(roles []registry.RoleMapping) string {
	b := new(strings.Builder)
	for _, m := range roles {
		b.WriteString(m.Value + " = " + string(m.Role) + "\n")
	}
	return b.String()
}

func (c *Console) createConnection(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "made", func(org registry.OrgID) error {
		spec, err := specOf(r)
		if err == nil {
			_, err = c.Identity.CreateConnection(r.Context(), who.Actor, org, spec, r.PostForm.Get("client_secret"))
		}
		return err
	})
}

func (c *Console) updateConnection(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "saved", func(org registry.OrgID) error {
		spec, err := specOf(r)
		if err != nil {
			return err
		}
		var secret *string
		if s := r.PostForm.Get("client_secret"); s != "" {
			secret = &s
		}
		_, err = c.Identity.UpdateConnection(r.Context(), who.Actor, org, registry.ConnectionID(r.PathValue("connection")), r.PostForm.Get(versionField), spec, secret)
		return err
	})
}

func (c *Console) deleteConnection(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "deleted", func(org registry.OrgID) error {
		return c.Store.DeleteConnection(r.Context(), who.Actor, org, registry.ConnectionID(r.PathValue("connection")))
	})
}

func (c *Console) addDomain(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "domain", func(org registry.OrgID) error {
		_, err := c.Identity.AddDomain(r.Context(), who.Actor, org, r.PostForm.Get("domain"))
		return err
	})
}

func (c *Console) verifyDomain(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "verified", func(org registry.OrgID) error {
		verify := c.Identity.VerifyDomain
		if r.PostForm.Has("vouch") {
			verify = c.Identity.VouchForDomain
		}
		_, err := verify(r.Context(), who.Actor, org, r.PathValue("domain"))
		return err
	})
}

func (c *Console) removeDomain(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "removed", func(org registry.OrgID) error {
		return c.Store.RemoveDomain(r.Context(), who.Actor, org, r.PathValue("domain"))
	})
}

func (c *Console) setSessionLifetimes(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "saved", func(org registry.OrgID) error {
		l, err := lifetimesIn(r.PostForm)
		if err != nil {
			return err
		}
		return c.Store.SetSessionLifetimes(r.Context(), who.Actor, org, r.PostForm.Get(versionField), l)
	})
}

// lifetimesIn reads the inputs of a form: an empty one is as the installation says. Error: CodeInvalid.
func lifetimesIn(form url.Values) (l registry.Lifetimes, err error) {
	for _, f := range []struct {
		field string
		into  *registry.Seconds
	}{{"idle", &l.Idle}, {"lifetime", &l.Absolute}} {
		text := strings.TrimSpace(form.Get(f.field))
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return l, registry.Errorf(registry.CodeInvalid, f.field+"_seconds", "Write a number of minutes, or nothing.")
		}
		*f.into = registry.Seconds(60 * n)
	}
	return l, nil
}

func (c *Console) requireSecondStep(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onConnections(w, r, who, "saved", func(org registry.OrgID) error {
		return c.Store.RequireSecondStep(r.Context(), who.Actor, org, r.PostForm.Get(versionField), r.PostForm.Has("required"))
	})
}

// connectionForm is what the form of a connection shows: of one that there is, or of a new one.
type connectionForm struct {
	view
	ID      string
	C       connectionView
	Default registry.Role
}

func formOf(v view, c any) connectionForm {
	f := connectionForm{view: v}
	if k, ok := c.(connectionView); ok {
		f.ID, f.C, f.Default, f.Field = string(k.ID), k, k.DefaultRole, ""
	}
	return f
}
