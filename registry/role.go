package registry

// Role is what a user, or a runner, may do in an org.
type Role string

// The roles, in rising order. No membership has the role runner.
const (
	RoleRunner Role = "runner"
	RoleMember Role = "member"
	RoleAdmin  Role = "admin"
	RoleOwner  Role = "owner"
)

var roleRank = map[Role]int{RoleRunner: 1, RoleMember: 2, RoleAdmin: 3, RoleOwner: 4}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return roleRank[r] > 0 }

// AtLeast reports whether r includes what min may do. The empty role includes nothing.
func (r Role) AtLeast(min Role) bool { return r.Valid() && min.Valid() && roleRank[r] >= roleRank[min] }

// CheckRole returns a CodeInvalid error on field "role" when r is not a role of members.
func CheckRole(r Role) error {
	if !r.AtLeast(RoleMember) {
		return Errorf(CodeInvalid, "role", "%q is not a role: use member, admin or owner", string(r))
	}
	return nil
}

// CheckLeast returns a CodeInvalid error on field "role" when r cannot be the least role that something asks for.
func CheckLeast(r Role) error {
	if !r.Valid() {
		return Errorf(CodeInvalid, "role", "%q is not a role: use runner, member, admin or owner", string(r))
	}
	return nil
}
