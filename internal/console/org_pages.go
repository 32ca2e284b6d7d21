package console

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// tab is an entry of an org's tabs.
type tab struct {
	Path, Tab, Name string
	Action          registry.Action
}

var tabs = []tab{
	{"", "overview", "Overview", registry.ActionOrgRead}, {"/members", "members", "Members", registry.ActionMemberRead}, {"/instance", "instance", "Instance", registry.ActionOrgRead},
	{"/runners", "runners", "Runners", registry.ActionRunnerRead}, {"/settings", "settings", "Settings", registry.ActionSettingsRead}, {"/sign-in", "sign-in", "Sign-in", registry.ActionSignInRead}, {"/keys", "keys", "Keys", registry.ActionKeyRead},
	{"/webhooks", "webhooks", "Webhooks", registry.ActionWebhookRead}, {"/audit", "audit", "Audit", registry.ActionAuditRead},
}

// orgView is the view of one of an org's tabs.
func (c *Console) orgView(r *http.Request, who web.Caller, name string, action registry.Action) (view, error) {
	o, err := c.org(r, who)
	if err != nil {
		return view{}, err
	}
	v := view{Title: o.Name + " " + name, Who: who, Org: &o, Tab: name}
	if !v.May(action) {
		return v, registry.Errorf(registry.CodeForbidden, "", "Your role in this org does not show you that: ask an admin of it.")
	}
	return v, nil
}

// printed is what an unhealthy server printed last, for those who may read it.
func (c *Console) printed(ctx context.Context, v view) string {
	return web.Printed(ctx, c.Logs, v.Who.Actor, *v.Org)
}

func (c *Console) instancePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.orgView(r, who, "instance", registry.ActionOrgRead)
	if err != nil {
		return err
	}
	v.Org.Instance.MarkOutdated(c.Outdated())
	if v.May(registry.ActionInstanceLogs) {
		log, err := c.Logs(r.Context(), v.Org.ID, 200, false)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		b, err := io.ReadAll(io.LimitReader(log, 1<<20))
		if err != nil {
			return err
		}
		v.Data = string(b)
	}
	if err := c.keepLive(r.Context(), &v); err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "instance.html", v)
}

// instanceLog streams what an instance prints from now on.
func (c *Console) instanceLog(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.orgView(r, who, "instance", registry.ActionInstanceLogs)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	log, err := c.Logs(ctx, v.Org.ID, 0, true)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if err := web.Pour(ctx, cancel, w, log, web.Guard{Ended: c.Ended(), Changed: c.Store.Changed, May: func() bool {
		now, err := web.StillWho(c.Identity, r)
		if err != nil || now.Session.ID != who.Session.ID {
			return false
		}
		_, err = c.Store.Authorize(ctx, now.Actor, v.Org.ID, registry.ActionInstanceLogs)
		return err == nil
	}}); err != nil {
		c.Log.Warn("log", "org", v.Org.ID, "error", err)
	}
	return nil
}

func (c *Console) keysView(r *http.Request, who web.Caller) (view, keysData, error) {
	v, err := c.orgView(r, who, "keys", registry.ActionKeyRead)
	if err != nil {
		return v, keysData{}, err
	}
	d := keysData{Base: "/orgs/" + v.Org.Slug + "/keys", Roles: []registry.Role{registry.RoleMember, registry.RoleAdmin}}
	d.Scopes = slices.DeleteFunc(registry.Scopes(), func(s registry.Scope) bool { return s == registry.ScopePlatform })
	d.Keys, err = c.Store.APIKeys(r.Context(), who.Actor, v.Org.ID)
	v.Data = d
	return v, d, err
}

func (c *Console) keysPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.keysView(r, who)
	if err != nil {
		return err
	}
	if _, err := c.takeShown(r, who, &d.Secret); err != nil {
		return err
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "keys.html", v)
}

func (c *Console) createKey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.keysView(r, who)
	if err != nil {
		return err
	}
	n, err := newKey(r)
	var secret token.Secret
	if err == nil && n.Role == "" {
		err = registry.Errorf(registry.CodeInvalid, "role", "Choose a role.")
	}
	if err == nil {
		n.OrgID = v.Org.ID
		_, secret, err = c.Identity.CreateAPIKey(r.Context(), who.Actor, n)
	}
	if err != nil {
		return c.again(w, r, "keys.html", v, err)
	}
	return c.redirectShown(w, r, who, d.Base, secret.Reveal())
}

func (c *Console) revokeKey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/keys", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.RevokeAPIKey(ctx, who.Actor, o.ID, registry.APIKeyID(r.PathValue("key")))
	})
}

// fieldView is a field of the operator's schema with what it is now.
type fieldView struct {
	registry.Field
	Now      string
	IsSet    bool
	ChangeID string
}

type fieldGroup struct {
	Name   string
	Fields []fieldView
}

type settingsData struct {
	Groups []fieldGroup
	Others []registry.Setting
	Allow  []string
	// Version is of the settings that the page shows. See registry.SettingsVersion.
	Version string
}

func (c *Console) settingsView(r *http.Request, who web.Caller) (view, error) {
	v, err := c.orgView(r, who, "settings", registry.ActionSettingsRead)
	if err != nil {
		return v, err
	}
	list, err := c.Store.Settings(r.Context(), who.Actor, v.Org.ID)
	if err != nil {
		return v, err
	}
	now := map[string]registry.Setting{}
	for _, s := range list {
		now[s.Name] = s
	}
	schema := c.Settings.Schema()
	d := settingsData{Allow: schema.Allow, Version: registry.SettingsVersion(list)}
	for _, f := range schema.Fields {
		s, set := now[f.Name]
		delete(now, f.Name)
		i := slices.IndexFunc(d.Groups, func(g fieldGroup) bool { return g.Name == f.Group })
		if i < 0 {
			i = len(d.Groups)
			d.Groups = append(d.Groups, fieldGroup{Name: f.Group})
		}
		fv := fieldView{Field: f, Now: s.Value, IsSet: set, ChangeID: s.ChangeID}
		if !set {
			fv.Now = f.Default
		}
		d.Groups[i].Fields = append(d.Groups[i].Fields, fv)
	}
	for _, s := range list {
		if _, other := now[s.Name]; other {
			d.Others = append(d.Others, s)
		}
	}
	v.Data = d
	if r.URL.Query().Has("done") {
		v.Done = "Saved."
	}
	return v, nil
}

func (c *Console) settingsPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.settingsView(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "settings.html", v)
}

// onSettings runs a change of the org and comes back to its settings; what is refused is said there.
func (c *Console) onSettings(w http.ResponseWriter, r *http.Request, who web.Caller, f func(o registry.OrgView) error) error {
	v, err := c.settingsView(r, who)
	if err != nil {
		return err
	}
	if err := f(*v.Org); err != nil {
		return c.again(w, r, "settings.html", v, err)
	}
	http.Redirect(w, r, "/orgs/"+string(v.Org.ID)+"/settings?done", http.StatusSeeOther)
	return nil
}

func (c *Console) saveSettings(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onSettings(w, r, who, func(o registry.OrgView) error {
		values, secrets := map[string]*string{}, map[string]*string{}
		schema := c.Settings.Schema()
		list, err := c.Store.Settings(r.Context(), who.Actor, o.ID)
		if err != nil {
			return err
		}
		isSet := map[string]bool{}
		for _, s := range list {
			isSet[s.Name] = true
		}
		for name, v := range r.PostForm {
			name, ok := strings.CutPrefix(name, "set.")
			f, known := schema.Field(name)
			if !ok || !known || len(v) != 1 {
				continue
			}
			switch {
			case f.Type == registry.FieldSecret && v[0] == "" && (!f.Required || isSet[name]): // left as it is
			case v[0] == "" || v[0] == f.Default:
				values[name] = nil
			default:
				values[name] = &v[0]
			}
		}
		if name := strings.TrimSpace(r.PostForm.Get("new_name")); name != "" {
			value := r.PostForm.Get("new_value")
			if r.PostForm.Get("new_secret") != "" {
				secrets[name] = &value
			} else {
				values[name] = &value
			}
		}
		for _, name := range r.PostForm["unset"] {
			values[name] = nil
		}
		if err := c.Settings.Set(r.Context(), who.Actor, o.ID, r.PostForm.Get(versionField), values, secrets); err != nil {
			return err
		}
		if r.PostForm.Get("restart") != "" && (o.Status == registry.OrgActive || o.Status == registry.OrgProvisioning) {
			return c.Store.RestartInstance(r.Context(), who.Actor, o.ID, 0)
		}
		return nil
	})
}

// orgVersion is the version of the org that a form was made for, 0 when it names none.
func orgVersion(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.PostForm.Get(versionField), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (c *Console) saveName(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onSettings(w, r, who, func(o registry.OrgView) error {
		return c.Store.UpdateOrg(r.Context(), who.Actor, o.ID, orgVersion(r), r.PostForm.Get("name"))
	})
}

func (c *Console) rename(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onSettings(w, r, who, func(o registry.OrgView) error {
		return c.Store.RenameOrg(r.Context(), who.Actor, o.ID, 0, r.PostForm.Get("slug"))
	})
}
