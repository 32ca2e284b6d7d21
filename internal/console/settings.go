package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

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
