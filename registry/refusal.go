package registry

// ErrNotAllowed says why actor may not do action, and who may.
func ErrNotAllowed(actor Actor, action Action) error {
	r, known := policy[action]
	switch {
	case r.asks&own != 0:
		return Errorf(CodeForbidden, "", "only a person who is signed in has an account")
	case action == ActionOrgBreakGlass || !known:
		return Errorf(CodeForbidden, "", "only the operator may do that, on the server's machine")
	case actor.Key() != "" && !actor.Has(r.scope):
		return Errorf(CodeForbidden, "", "this key does not allow that: it needs the scope %s", r.scope).Because(ReasonScopeMissing)
	case actor.Key() != "" && r.role != "":
		return Errorf(CodeForbidden, "", "this key's role in the org does not allow that: "+
			"it needs to be at least %s", r.role)
	case r.role == "":
		return Errorf(CodeForbidden, "", "only platform admins may do that: ask one")
	case r.role == RoleOwner:
		return Errorf(CodeForbidden, "", "only owners of the org may do that: ask one")
	}
	return Errorf(CodeForbidden, "", "your role in this org does not allow that: ask an admin or owner")
}
