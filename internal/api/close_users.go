package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// closeUsers are the operations that end accounts.
func (a *API) closeUsers() {
	type disableIn struct {
		UserPath
		Body struct {
			Reason    string `json:"reason,omitempty" maxLength:"500" example:"left the company" doc:"reason, shown to platform admins"`
			Runners   bool   `json:"revoke_runners,omitempty" doc:"revoke the runners that the person enrolled"`
			LastOwner bool   `json:"even_last_owner,omitempty" doc:"disable it even when an org loses its last owner who can act"`
		} `required:"false"`
	}
	declared(a, operation{
		ID: "disableUser", Method: "POST", Path: "/users/{user}/disable", Summary: "Disable an account",
		Description: "Ends the account's sessions, its own API keys, and the invitations that it sent. " +
			"Nobody can sign in to it until it is enabled. Memberships stay.",
		Action: registry.ActionUserUpdate,
	}, func(ctx context.Context, c web.Caller, in *disableIn) (*userOut, error) {
		id, err := a.userFor(ctx, c, in.UserPath, registry.ActionUserUpdate)
		if err != nil {
			return nil, err
		}
		d := registry.UserDisabling{Reason: in.Body.Reason, RevokeRunners: in.Body.Runners, LastOwner: in.Body.LastOwner}
		if _, err := a.Store.DisableUser(ctx, c.Actor, id, d); err != nil {
			return nil, err
		}
		return a.showUser(ctx, c, id)
	})

	declared(a, operation{
		ID: "enableUser", Method: "POST", Path: "/users/{user}/enable", Summary: "Enable a disabled account",
		Description: "The person can sign in again. What was ended stays ended.",
		Action:      registry.ActionUserUpdate,
	}, func(ctx context.Context, c web.Caller, in *UserPath) (*userOut, error) {
		id, err := a.userFor(ctx, c, *in, registry.ActionUserUpdate)
		if err != nil {
			return nil, err
		}
		if _, err := a.Store.EnableUser(ctx, c.Actor, id); err != nil {
			return nil, err
		}
		return a.showUser(ctx, c, id)
	})

	type deleteIn struct {
		UserPath
		Confirm string `query:"confirm" example:"eve@example.com" doc:"email address of the account, as a confirmation"`
		Runners bool   `query:"revoke_runners" doc:"revoke the runners that the person enrolled"`
	}
	declared(a, operation{
		ID: "deleteUser", Method: "DELETE", Path: "/users/{user}", Summary: "Delete an account for good",
		Description: "Removes the account and its personal data, also from the audit log, which keeps its ID. " +
			"An org's last owner and the last platform admin cannot be deleted.",
		Action: registry.ActionUserUpdate,
	}, func(ctx context.Context, c web.Caller, in *deleteIn) (*none, error) {
		id, err := a.userFor(ctx, c, in.UserPath, registry.ActionUserUpdate)
		if err != nil {
			return nil, err
		}
		u, err := a.Store.User(ctx, c.Actor, id)
		if err != nil {
			return nil, err
		}
		if err := u.Confirm(in.Confirm); err != nil {
			return nil, err
		}
		_, err = a.Store.DeleteUser(ctx, c.Actor, id, registry.UserDeletion{RevokeRunners: in.Runners})
		return &none{}, err
	})
}
