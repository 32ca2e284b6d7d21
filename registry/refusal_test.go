package registry

import (
	"strings"
	"testing"
)

// TestRefusalsNameWhoMay: who is refused an action is never told to ask somebody who may not do it
// either, or to become what they are.
func TestRefusalsNameWhoMay(t *testing.T) {
	for _, row := range Policy() {
		for _, role := range []Role{RoleMember, RoleAdmin, RoleOwner} {
			actor := AsUser(User{ID: "u"}, "s", "192.0.2.1")
			if Allows(actor, role, row.Action) {
				continue
			}
			said := ErrNotAllowed(actor, row.Action).Error()
			if strings.Contains(said, "owner") && (row.Role == "" || role == RoleOwner) {
				t.Errorf("%s of %s: %s", row.Action, role, said)
			}
			if strings.Contains(said, "platform admin") && !row.Platform {
				t.Errorf("%s of %s: %s", row.Action, role, said)
			}
			if strings.Contains(said, "an admin") && !RoleAdmin.AtLeast(row.Role) {
				t.Errorf("%s of %s: %s", row.Action, role, said)
			}
		}
	}
}
