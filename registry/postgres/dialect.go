package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

const claimed = "f.claim = current_setting('" + claimParameter + "', true)"

var dialect = sqlstore.Dialect{
	Fold:     "lower(%s)", // of ASCII letters alone: columns have COLLATE "C"
	Like:     "ILIKE",
	Least:    "least(%s)",
	Greatest: "greatest(%s)",
	True:     "true",
	Each:     "(SELECT value FROM json_array_elements_text(%s::json) AS t(value))",
	JSON:     "(j.value::json ->> %s)",
	Sums: "(SELECT json_agg(a.value::bigint + b.value::bigint ORDER BY n)::text" +
		" FROM json_array_elements_text(usage.%s::json) WITH ORDINALITY a(value, n)" +
		" JOIN json_array_elements_text(excluded.%s::json) WITH ORDINALITY b(value, n) USING (n))",
	Find: "strpos(%s)",
	Hide: "%s", // the planner weighs by the table's statistics
	// Not FOR UPDATE: rows that refer to them may be added meanwhile.
	Lock: "FOR NO KEY UPDATE OF %s SKIP LOCKED",
	// No row under an older claim, also when it changes while this waits for the row. Once the row is
	// locked, the claim stays.
	LockFeed: "SELECT seq FROM feed_head f WHERE id = 1 AND " + claimed + " FOR UPDATE",
	Claimed:  claimed,
	Later:    later,
	// The rows as they were, and always what indexes have of them. The write-ahead log keeps them until
	// it is used again.
	Forget: "VACUUM (INDEX_CLEANUP ON) audit",
	Again:  again,
}

const (
	serializationFailure = "40001"
	deadlock             = "40P01"
	undefinedTable       = "42P01"
	undefinedDatabase    = "3D000"
)

// again reports whether a transaction that failed had no effect and may succeed the next time.
func again(err error) bool {
	return is(err, serializationFailure) || is(err, deadlock) || pgconn.SafeToRetry(err)
}

func is(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}
