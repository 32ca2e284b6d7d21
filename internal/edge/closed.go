package edge

import (
	"net/http"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// suspended is what a request for a suspended org meets. Its members read why.
func (g *Gateway) suspended(r *http.Request, rt *registry.Route) *Problem {
	p := &Problem{
		Code: wire.OrgSuspended, Status: http.StatusForbidden, Title: rt.Name + " is suspended", Why: true,
		Detail: "A platform admin closed this org for now. Its data is kept.",
	}
	if rt.Detail != "" && g.roleOf(r, rt).AtLeast(registry.RoleMember) {
		p.Detail = "A platform admin closed this org for now. Its data is kept. Reason: " + rt.Detail
		p.Why = false
	}
	return p
}

// gone is what a request for an org meets that was deleted. Its admins read until when that can be
// undone, its other members that it can.
func (g *Gateway) gone(r *http.Request, rt *registry.Route) *Problem {
	p := &Problem{
		Code: wire.OrgDeleted, Status: http.StatusGone, Title: "This org is gone", Why: true,
		Detail: "It was deleted or moved away. Its owners see in the console whether it can be restored.",
	}
	if !rt.RestoreUntil.After(g.Now()) {
		return p
	}
	switch role := g.roleOf(r, rt); {
	case role.AtLeast(registry.RoleAdmin):
		p.Title = rt.Name + " is being deleted"
		p.Detail = "An owner can restore it in the console until " + rt.RestoreUntil.UTC().Format("2 January 2006, 15:04") + " UTC."
	case role.AtLeast(registry.RoleMember):
		p.Title, p.Detail = rt.Name+" is being deleted", "Ask an owner if you still need it. They can restore it for a while."
	}
	return p
}

// roleOf is the role that a request's session has in an org that is not served, "" for nobody. Such
// a session lets nobody in and is not renewed. What is too old, or changed, is asked of the control
// plane; while that is away it is nobody's.
func (g *Gateway) roleOf(r *http.Request, rt *registry.Route) registry.Role {
	token, bearer := bearerToken(r)
	if !bearer {
		var ok bool
		if token, ok = wire.OneCookie(r, SessionCookie); !ok || !ownRequest(r, g.Tokens.Site().OrgURL(rt.Slug)) {
			return ""
		}
	}
	s, err := g.verified(token, rt.OrgID)
	if err != nil {
		return ""
	}
	now := g.Now().Unix()
	must, gone := g.Revocations.judge(&s.claims, s.read.Load())
	switch {
	case gone || s.claims.Until != 0 && s.claims.Until <= now:
		return ""
	case !must && now < s.claims.Expires:
		return s.claims.Role
	case s.claims.ClientID != "" || now < g.awayUntil.Load():
		return ""
	}
	role, err := g.Origin.RoleOf(r.Context(), s.claims)
	if err != nil {
		return ""
	}
	return role
}
