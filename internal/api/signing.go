package api

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// signingKey is a key of a ring, as far as it is told.
type signingKey struct {
	ID      string    `json:"id" doc:"ID of the key, as in the kid of what it signs"`
	Ring    string    `json:"ring" enum:"token,token_rs256,session,assertion" doc:"what the key signs"`
	From    time.Time `json:"signs_from" doc:"when it starts to sign"`
	To      time.Time `json:"signs_to" doc:"when it stops to sign"`
	Expires time.Time `json:"expires_at" doc:"when everything that it signed has expired"`
}

func (a *API) signing() {
	declared(a, operation{ID: "listSigningKeys", Method: "GET", Path: "/signing-keys", Summary: "List the keys that sign tokens", Action: registry.ActionSigningKeyRead},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[signingKey], error) {
			keys, err := a.Identity.SigningKeys(ctx, c.Actor)
			out := new(listOut[signingKey])
			out.Body.Items = []signingKey{}
			for _, k := range keys {
				out.Body.Items = append(out.Body.Items, signingKey{k.ID, k.Purpose, k.SignsFrom, k.SignsTo, k.ExpiresAt})
			}
			return out, err
		})

	type rotateIn struct {
		Body struct {
			Ring      string `json:"ring,omitempty" enum:"token,session,assertion" doc:"which keys to replace; default: all. token also replaces token_rs256"`
			Ahead     *int   `json:"ahead_seconds,omitempty" minimum:"0" maximum:"86400" doc:"how long the new key is published before it signs, in seconds; default: 600, twice as long as key sets are cached"`
			Emergency bool   `json:"emergency,omitempty" doc:"replace the keys at once and reject everything that the old ones signed: open streams end, and people get a new session with the next page"`
		}
	}
	declared(a, operation{ID: "rotateSigningKeys", Method: "POST", Path: "/signing-keys/rotate", Summary: "Replace the keys that sign tokens", Action: registry.ActionSigningKeyRotate,
		Description: "They replace themselves every 90 days."},
		func(ctx context.Context, c web.Caller, in *rotateIn) (*none, error) {
			n := identity.Rotation{Ring: in.Body.Ring, Ahead: identity.PublishAhead, Emergency: in.Body.Emergency}
			if in.Body.Ahead != nil {
				n.Ahead = time.Duration(*in.Body.Ahead) * time.Second
			}
			return &none{}, a.Identity.RotateKeys(ctx, c.Actor, n)
		})
}
