package console_test

import (
	"strings"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

func (w *forms) accountForms() map[string]func() post {
	const page = "/account"
	return map[string]func() post{
		"/account/name": func() post {
			return post{by: w.own, page: page, action: page + "/name", set: vals("name", "Ada"),
				bad: vals("name", long)}
		},
		"/account/password": func() post {
			_, c := w.person("password")
			return post{
				by: c, page: page, action: page + "/password",
				set: vals("old_password", controltest.Password, "password", "another long one for me"),
				bad: vals("old_password", "wrong but typed", "password", "another long one for me"),
			}
		},
		"/account/second-step/{factor}/remove": func() post {
			u, c := w.person("factor")
			addFactor(w.T, w.s, u)
			list := must(w.s.Store.Factors(w.s.Context(), w.s.As(u), u.ID))
			return post{
				by: c, page: page, action: page + "/second-step/" + string(list[0].ID) + "/remove",
				set: vals("old_password", controltest.Password), bad: vals("old_password", "wrong but typed"),
			}
		},
		"/account/recovery-codes": func() post {
			u, c := w.person("codes")
			addFactor(w.T, w.s, u)
			return post{
				by: c, page: page, action: page + "/recovery-codes",
				set: vals("old_password", controltest.Password), bad: vals("old_password", "wrong but typed"),
			}
		},
		"/account/sessions/end": func() post {
			u, c := w.person("sessions")
			w.s.SignIn(u)
			return simple(c, page, page+"/sessions/end")
		},
		"/account/sessions/{session}/end": func() post {
			u, c := w.person("session")
			return simple(c, page, page+"/sessions/"+string(w.s.SignIn(u).Session.ID)+"/end")
		},
		"/account/keys": func() post {
			return post{
				by: w.own, page: page, action: page + "/keys",
				set: vals("key_name", "A", "scope", "org:read"),
				bad: vals("key_name", long, "scope", "org:read", "scope", "org:write", "days", "7"),
			}
		},
		"/account/keys/{key}/revoke": func() post {
			id := w.made(w.own, "/me/keys", `{"name":"A","scopes":["org:read"]}`)
			return simple(w.own, page, page+"/keys/"+id+"/revoke")
		},
		"/account/delete": func() post {
			u, c := w.person("leaver")
			return post{
				by: c, page: page + "/delete", action: page + "/delete",
				set: vals("confirm", u.Email), bad: vals("confirm", "other", "runners", "revoke"),
			}
		},
		"/theme": func() post {
			return post{by: w.own, page: page, action: "/theme", set: vals("theme", "dark"), quiet: true}
		},
	}
}

func (w *forms) platformForms() map[string]func() post {
	const apps, hooks, users = "/platform/apps", "/platform/webhooks", "/platform/users/"
	app := func(name string) string {
		return w.made(w.plat, "/clients", `{"name":"`+name+`","redirect_uris":["https://example.com/"]}`)
	}
	user := func(name, action string, more ...string) func() post {
		return func() post {
			u, _ := w.person(name)
			return post{by: w.plat, page: users + string(u.ID), action: users + string(u.ID) + action,
				set: vals(more...)}
		}
	}
	rows := map[string]func() post{
		apps: func() post {
			return post{
				by: w.plat, page: apps, action: apps,
				set: vals("name", "App", "redirect_uris", "https://example.com/"),
				bad: vals("name", "App", "redirect_uris", "ftp://example.com", "logout_uris",
					"https://example.com/out", "org", "acme", "id_token_alg", "RS256", "public", "1"),
			}
		},
		apps + "/{client}/secret": func() post {
			return simple(w.plat, apps, apps+"/"+app("A")+"/secret")
		},
		apps + "/{client}/delete": func() post {
			return simple(w.plat, apps, apps+"/"+app("B")+"/delete")
		},
		"/platform/sign-in/{connection}": func() post {
			return w.connection("", "/platform/sign-in", "c1", "")
		},
		"/platform/sign-in/{connection}/delete": func() post {
			return w.connection("", "/platform/sign-in", "c2", "/delete")
		},
		"/platform/plans": func() post {
			const page = "/platform/plans"
			return post{
				by: w.plat, page: page, action: page, set: vals("name", "team", "members", "3"),
				bad: vals("name", "team", "title", "T", "description", "D", "members", "1.5", "body", "10MB"),
			}
		},
		"/platform/plans/{plan}": func() post {
			page := w.plan("edited")
			return post{
				by: w.plat, page: page, action: page, set: vals("title", "Edited", "body", "10MB"),
				bad: vals("title", long, "description", "D", "runners", "0", "memory", "1GiB"),
			}
		},
		"/platform/plans/{plan}/delete": func() post {
			page := w.plan("unused")
			return simple(w.plat, page, page+"/delete")
		},
		users + "{user}/disable": func() post {
			u, _ := w.person("disable")
			page := users + string(u.ID) + "/disable"
			return post{
				by: w.plat, page: page, action: page, set: vals("reason", "left"),
				bad: vals("reason", long, "runners", "revoke", "last_owner", "1"),
			}
		},
		users + "{user}/enable": func() post {
			u, _ := w.person("enable")
			must(w.s.Store.DisableUser(w.s.Context(), registry.AsOperator(), u.ID, registry.UserDisabling{}))
			return simple(w.plat, users+string(u.ID), users+string(u.ID)+"/enable")
		},
		users + "{user}/delete": func() post {
			u, _ := w.person("deleted")
			page := users + string(u.ID) + "/delete"
			return post{
				by: w.plat, page: page, action: page, set: vals("confirm", u.Email),
				bad: vals("confirm", "other", "runners", "revoke"),
			}
		},
		users + "{user}/admin":         user("admin", "/admin"),
		users + "{user}/verify":        user("verify", "/verify"),
		users + "{user}/password-link": user("link", "/password-link"),
		users + "{user}/sign-out":      user("out", "/sign-out"),
		users + "{user}/second-step/remove": func() post {
			u, _ := w.person("second")
			addFactor(w.T, w.s, u)
			return simple(w.plat, users+string(u.ID), users+string(u.ID)+"/second-step/remove")
		},
	}
	return merge(rows, w.webhookForms(w.plat, hooks, hooks, "/webhooks"))
}

func (w *forms) webhookForms(
	by *controltest.Client, page, pattern, api string,
) map[string]func() post {
	hook := func(action string, quiet bool) func() post {
		return func() post {
			id := w.made(by, api, `{"url":"https://example.com/hook"}`)
			return post{by: by, page: page, action: page + "/" + id + action, quiet: quiet}
		}
	}
	return map[string]func() post{
		pattern: func() post {
			return post{
				by: by, page: page, action: page, set: vals("url", "https://example.com/hook"),
				bad: vals("url", "http://example.com/hook", "event", "member.added", "event", "member.removed"),
			}
		},
		pattern + "/{webhook}/test":   hook("/test", true),
		pattern + "/{webhook}/active": hook("/active", false),
		pattern + "/{webhook}/delete": hook("/delete", false),
	}
}

// connection is a form about a connection of an org, or of the operator.
func (w *forms) connection(org registry.OrgID, page, id, action string) post {
	by := w.plat
	bad := vals("name", long, "sign_up", "1", "client_secret", "typed secret", "scopes", "a b")
	if org != "" {
		by = w.own
		bad = vals("name", "New", "roles_claim", "groups", "roles", "nonsense\r\nhere",
			"default_role", "admin", "trust_email", "1", "required", "1", "client_secret", "typed secret")
	}
	w.s.Connection(registry.ConnectionID(id), "Old", org)
	p := post{by: by, page: page, action: page + "/" + id + action}
	if action == "" {
		p.set, p.bad = vals("name", "New"), bad
	}
	return p
}

func (w *forms) publicForms() map[string]func() post {
	nobody := w.s.Nobody()
	link := func(email string) string {
		_, link, err := w.s.Identity.Invite(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID,
			email+"@example.com", registry.RoleMember)
		return strings.TrimPrefix(must(link, err), controltest.Issuer)
	}
	return map[string]func() post{
		"/sign-in": func() post {
			return post{
				by: nobody, page: "/sign-in", action: "/sign-in", quiet: true,
				set: vals("email", w.ada.Email, "password", controltest.Password),
				bad: vals("email", w.ada.Email, "password", "wrong but typed"),
			}
		},
		"/sign-out": func() post {
			_, c := w.person("signs-out")
			return post{by: c, page: "/account", action: "/sign-out", quiet: true}
		},
		"/device": func() post {
			cli := identity.Credentials{ID: string(registry.CLIClient)}
			d, err := w.s.Identity.BeginDevice(w.s.Context(), cli, identity.Client{Address: "192.0.2.1"})
			code := must(d, err).UserCode
			return post{
				by: w.own, page: "/device?user_code=" + code, action: "/device",
				set: vals("answer", "approve"), quiet: true,
			}
		},
		"/invite/{token}": func() post {
			page := link("joins")
			return post{
				by: nobody, page: page, action: page, set: vals("name", "Jo", "password", controltest.Password),
				bad: vals("name", "Jo", "password", "short1"),
			}
		},
		"/invite/{token}/decline": func() post {
			page := link("declines")
			return simple(nobody, page, page+"/decline")
		},
		"/reset/{token}": func() post {
			u, _ := w.person("resets")
			_, link, err := w.s.Identity.ResetLink(w.s.Context(), registry.AsOperator(), u.ID)
			page := strings.TrimPrefix(must(link, err), controltest.Issuer)
			return post{
				by: nobody, page: page, action: page, set: vals("password", "another long one for me"),
				bad: vals("password", "short1"),
			}
		},
		"/setup/{token}": func() post {
			s := controltest.New(w.T)
			link, _, err := s.Identity.SetupLink(s.Context())
			page := strings.TrimPrefix(must(link, err), controltest.Issuer)
			return post{
				s: s, by: s.Nobody(), page: page, action: page,
				set: vals("name", "Ada", "email", "ada@example.com", "password", "another long one for me"),
				bad: vals("name", "Ada", "email", "ada@example.com", "password", "short1"),
			}
		},
	}
}
