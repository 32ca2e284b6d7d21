package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// TestNodeOfBefore: a node that runs when the next version migrates goes on, also when it loses its
// sessions. It does not start on that schema.
func TestNodeOfBefore(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	a, admin := openNode(t, url, "a", time.Now), plain(t, url)
	create(t, a, "before")
	for _, statement := range []string{
		`CREATE TABLE next (id text PRIMARY KEY)`,
		`ALTER TABLE orgs ADD COLUMN next text`,
		`INSERT INTO goose_db_version (version_id, is_applied)
			SELECT max(version_id) + 1, true FROM goose_db_version`,
	} {
		exec(t, admin, statement)
	}
	create(t, a, "meanwhile")
	endClaim(t, admin)
	eventually(t, "the node is back", func() bool {
		_, err := a.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "after"})
		return err == nil
	})
	_, err := postgres.Open(t.Context(), at(t, url).Node("b"), new(identity.MasterKey), time.Now)
	if !errors.Is(err, registry.ErrSchema) || !strings.Contains(err.Error(), "this program knows only up to") {
		t.Errorf("a node that starts: %v", err)
	}
}
