package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

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

// keysData is what the part about keys shows.
type keysData struct {
	Keys     []registry.APIKey
	Scopes   []registry.Scope
	Roles    []registry.Role
	Base     string // where keys are made and revoked
	Secret   string // of a key just made, shown this once
	Mail     bool   // whether mail is sent
	Factors  []registry.Factor
	Sessions []registry.Session
	Linked   []registry.Identity
	Others   []registry.Connection // of the operator, to link to
}

// lifeOf reads in how many days a key ends. A number of days that no Duration holds would become any
// other.
func lifeOf(r *http.Request) (time.Duration, error) {
	const day = 24 * time.Hour
	days, err := strconv.Atoi(r.PostForm.Get("days"))
	if err != nil || days < 1 || days > int(registry.KeyLifeMax/day) {
		return 0, registry.Errorf(registry.CodeInvalid, "days", "Say in how many days the key ends: 1 to %d.", registry.KeyLifeMax/day)
	}
	return time.Duration(days) * day, nil
}

// newKey reads the form of a new key.
func newKey(r *http.Request) (n registry.NewAPIKey, err error) {
	life, err := lifeOf(r)
	if err != nil {
		return n, err
	}
	n = registry.NewAPIKey{Name: r.PostForm.Get("key_name"), Role: registry.Role(r.PostForm.Get("role")), Life: life}
	for _, s := range r.PostForm["scope"] {
		n.Scopes = append(n.Scopes, registry.Scope(s))
	}
	return n, nil
}

func (c *Console) createMyKey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	n, err := newKey(r)
	n.Role = ""
	var secret token.Secret
	if err == nil {
		_, secret, err = c.Identity.CreateAPIKey(r.Context(), who.Actor, n)
	}
	if err != nil {
		return c.onAccount(w, r, who, "", func() error { return err })
	}
	return c.redirectShown(w, r, who, "/account", secret.Reveal())
}

func (c *Console) revokeMyKey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "key", func() error {
		return c.Store.RevokeAPIKey(r.Context(), who.Actor, "", registry.APIKeyID(r.PathValue("key")))
	})
}
