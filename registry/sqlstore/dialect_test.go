package sqlstore_test

import (
	"testing"

	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// TestDialect: words are replaced with their arguments, and whatever else stands in braces stays.
func TestDialect(t *testing.T) {
	d := sqlstore.Dialect{
		Fold: "lower(%s)", Like: "ILIKE", Least: "LEAST(%s)", Greatest: "GREATEST(%s)", True: "true",
		Each: "(SELECT value FROM json_array_elements_text(%s::json) AS t(value))",
		Find: "strpos(%s)", Hide: "+%s",
	}
	for statement, want := range map[string]string{
		`SELECT 1`:                                 `SELECT 1`,
		`ORDER BY {fold o.name}, o.id`:             `ORDER BY lower(o.name), o.id`,
		`a {like} $1 OR b {like} $1`:               `a ILIKE $1 OR b ILIKE $1`,
		`{least a, b + 1} < {greatest c, $2}`:      `LEAST(a, b + 1) < GREATEST(c, $2)`,
		`active = {true}`:                          `active = true`,
		`{find target, j.value} > 0`:               `strpos(target, j.value) > 0`,
		`{hide o.id} IN ($1)`:                      `+o.id IN ($1)`,
		`FROM orgs o {index orgs_status} JOIN`:     `FROM orgs o  JOIN`,
		`limits <> '{}' AND {true} AND x = '{"a"}`: `limits <> '{}' AND true AND x = '{"a"}`,
		`IN (SELECT j.value FROM {each $1} j)`: `IN (SELECT j.value FROM ` +
			`(SELECT value FROM json_array_elements_text($1::json) AS t(value)) j)`,
		`{unknown a} {`: `{unknown a} {`,
	} {
		if got := d.Translate(statement); got != want {
			t.Errorf("%s: %s, want %s", statement, got, want)
		}
	}
}

func BenchmarkDialect(b *testing.B) {
	d := sqlstore.Dialect{Least: "min(%s)", True: "1"}
	const statement = `SELECT s.id, {least s.expires_at, s.created_at + 1}, s.address FROM sessions s
		WHERE s.revoked_at IS NULL AND s.expires_at > $1 AND (s.device = {true} OR s.last_seen_at > $1)`
	for b.Loop() {
		d.Translate(statement)
	}
}
