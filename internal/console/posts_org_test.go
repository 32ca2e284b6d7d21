package console_test

import (
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

func (w *forms) orgForms() map[string]func() post {
	const acme = "/orgs/acme"
	member := func(name string) registry.User {
		return w.s.Member(w.acme.ID, name+"@example.com", registry.RoleMember)
	}
	runner := func(action string) func() post {
		return func() post {
			w.s.Runner(w.acme.ID, w.s.SignIn(w.ada))
			p := must(w.s.Store.Runners(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID,
				registry.RunnerList{}))
			return post{by: w.own, page: acme + "/runners",
				action: acme + "/runners/" + string(p.Items[0].ID) + action}
		}
	}
	invite := func(email, action string) func() post {
		return func() post {
			made := w.made(w.own, acme+"/invites", `{"email":"`+email+`@example.com","role":"member"}`)
			return simple(w.own, acme+"/members", acme+"/invites/"+made+action)
		}
	}
	support := func(action string, set ...string) func() post {
		return func() post {
			u := w.s.User("helper"+strings.ReplaceAll(action, "/", "")+"@example.com", true)
			made := w.made(w.s.Page(w.s.SignIn(u)), acme+"/support", `{"reason":"x","hours":1}`)
			return post{by: w.own, page: acme + "/members", action: acme + "/support/" + made + action,
				set: vals(set...)}
		}
	}
	approval := func(email, action string, by func() *controltest.Client) func() post {
		return func() post {
			made := w.made(w.plat, acme+"/invites", `{"email":"`+email+`@example.com","role":"member"}`)
			return simple(by(), acme+"/members", acme+"/approvals/"+made+action)
		}
	}
	owner := func() *controltest.Client { return w.own }
	one := func(slug, action string, set, bad url.Values) func() post {
		return func() post {
			page := w.org(slug)
			return post{by: w.plat, page: page, action: page + action, set: set, bad: bad}
		}
	}
	domain := func(name, action string) func() post {
		return func() post {
			must(w.s.Store.AddDomain(w.s.Context(), w.s.Owner(w.acme.ID), w.acme.ID, name, "t"))
			return post{
				by: w.plat, page: acme + "/sign-in", action: acme + "/sign-in/domains/" + name + action,
				set: vals("vouch", "1"),
			}
		}
	}
	rows := map[string]func() post{
		"/orgs": func() post {
			w.plan("chosen")
			return post{
				by: w.plat, page: "/orgs/new", action: "/orgs", set: vals("name", "New", "slug", "fresh"),
				bad: vals("name", "New", "slug", "acme", "plan", "chosen"),
			}
		},
		"/orgs/{org}/invites": func() post {
			return post{
				by: w.own, page: acme + "/members", action: acme + "/invites",
				set: vals("email", "kim@example.com"),
				bad: vals("email", "\r\nlee@example.com\r\n</textarea>"+hostile, "role", "admin"),
			}
		},
		"/orgs/{org}/invites/{invite}/resend": invite("resend", "/resend"),
		"/orgs/{org}/invites/{invite}/revoke": invite("revoke", "/revoke"),
		"/orgs/{org}/members/{user}/role": func() post {
			return post{
				by: w.own, page: acme + "/members",
				action: acme + "/members/" + string(member("role").ID) + "/role",
				set:    vals("role", "admin"),
			}
		},
		"/orgs/{org}/members/{user}/remove": func() post {
			page := acme + "/members/" + string(member("remove").ID) + "/remove"
			return simple(w.own, page, page)
		},
		"/orgs/{org}/members/{user}/transfer": func() post {
			page := w.org("handed")
			o := must(w.s.Store.OrgBySlug(w.s.Context(), registry.AsOperator(), "handed"))
			u := w.s.Member(o.ID, "transfer@example.com", registry.RoleMember)
			page += "/members/" + string(u.ID) + "/transfer"
			return simple(w.own, page, page)
		},
		"/orgs/{org}/support": func() post {
			return post{
				by: w.plat, page: acme + "/members", action: acme + "/support", set: vals("reason", "x"),
				bad: vals("reason", long, "role", "admin", "hours", "9"),
			}
		},
		"/orgs/{org}/support/{support}":            support("", "answer", "approve"),
		"/orgs/{org}/support/{support}/end":        support("/end"),
		"/orgs/{org}/approvals/{approval}/approve": approval("approve", "/approve", owner),
		"/orgs/{org}/approvals/{approval}/refuse":  approval("refuse", "/refuse", owner),
		"/orgs/{org}/approvals/{approval}/end": approval("end", "/end",
			func() *controltest.Client { return w.plat }),
		"/orgs/{org}/settings": func() post {
			return post{
				by: w.own, page: acme + "/settings", action: acme + "/settings", set: vals("set.COLOUR", "red"),
				bad: vals("set.COLOUR", hostile, "set.COUNT", "many", "set.SIZE", "m", "new_name", "APP_X",
					"new_value", "x"),
			}
		},
		"/orgs/{org}/name": func() post {
			return post{
				by: w.own, page: acme + "/settings", action: acme + "/name",
				set: vals("name", "Acme"), bad: vals("name", long),
			}
		},
		"/orgs/{org}/rename": func() post {
			page := w.org("before")
			return post{
				by: w.own, page: page + "/settings", action: page + "/rename", set: vals("slug", "behind"),
				bad: vals("slug", "acme"),
			}
		},
		"/orgs/{org}/sign-in/second-step": func() post {
			page := w.org("twofold") + "/sign-in"
			return post{by: w.own, page: page, action: page + "/second-step", set: vals("required", "1")}
		},
		"/orgs/{org}/sign-in/sessions": func() post {
			page := w.org("brief") + "/sign-in"
			return post{
				by: w.own, page: page, action: page + "/sessions", set: vals("lifetime", "480"),
				bad: vals("lifetime", "4", "idle", "every day"),
			}
		},
		"/orgs/{org}/sign-in/domains": func() post {
			return post{
				by: w.own, page: acme + "/sign-in", action: acme + "/sign-in/domains",
				set: vals("domain", "one.example"), bad: vals("domain", "not a domain"),
			}
		},
		"/orgs/{org}/sign-in/domains/{domain}/verify": domain("two.example", "/verify"),
		"/orgs/{org}/sign-in/domains/{domain}/remove": domain("three.example", "/remove"),
		"/orgs/{org}/sign-in/{connection}": func() post {
			return w.connection(w.acme.ID, acme+"/sign-in", "c3", "")
		},
		"/orgs/{org}/sign-in/{connection}/delete": func() post {
			return w.connection(w.acme.ID, acme+"/sign-in", "c4", "/delete")
		},
		"/orgs/{org}/keys": func() post {
			return post{
				by: w.own, page: acme + "/keys", action: acme + "/keys",
				set: vals("key_name", "A", "scope", "org:read"),
				bad: vals("key_name", long, "role", "admin", "scope", "org:read", "scope", "org:write", "days",
					"366"),
			}
		},
		"/orgs/{org}/keys/{key}/revoke": func() post {
			made := w.made(w.own, acme+"/keys", `{"name":"A","role":"member","scopes":["org:read"]}`)
			return simple(w.own, acme+"/keys", acme+"/keys/"+made+"/revoke")
		},
		"/orgs/{org}/runners": func() post {
			return post{
				by: w.own, page: acme + "/runners", action: acme + "/runners",
				set: vals("runner_name", "build", "app", "pizzapi"),
				bad: vals("runner_name", long, "app", "pizzapi", "days", "7"),
			}
		},
		"/orgs/{org}/runners/{runner}/disconnect": runner("/disconnect"),
		"/orgs/{org}/runners/{runner}/revoke":     runner("/revoke"),
		"/orgs/{org}/limits": func() post {
			page := w.org("limited")
			return post{by: w.plat, page: page, action: page + "/limits", set: vals("members", "3"),
				bad: vals("members", "many", "body", "10MB")}
		},
		"/orgs/{org}/plan": func() post {
			w.plan("given")
			page := w.org("planned")
			return post{by: w.plat, page: page, action: page + "/plan", set: vals("plan", "given")}
		},
		"/orgs/{org}/suspend": one("halted", "/suspend", vals("reason", "unpaid"),
			vals("reason", long)),
		"/orgs/{org}/restart": func() post {
			page := w.org("restarted")
			return simple(w.own, page, page+"/restart")
		},
		"/orgs/{org}/resume": func() post {
			page := w.org("resumed")
			w.plat.Want(w, 200, "POST", "/api/v1"+page+"/suspend", `{"reason":"x"}`)
			return simple(w.plat, page, page+"/resume")
		},
		"/orgs/{org}/delete": func() post {
			page := w.org("deleted") + "/delete"
			return post{by: w.own, page: page, action: page, set: vals("confirm", "deleted"),
				bad: vals("confirm", "other")}
		},
		"/orgs/{org}/keep": func() post {
			page := w.org("kept")
			w.own.Want(w, 202, "DELETE", "/api/v1"+page+"?confirm=kept", "")
			return simple(w.own, page, page+"/keep")
		},
	}
	return merge(rows, w.webhookForms(w.own, acme+"/webhooks", "/orgs/{org}/webhooks",
		acme+"/webhooks"))
}
