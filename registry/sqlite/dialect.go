package sqlite

import "github.com/pizzaface/pizzeria/registry/sqlstore"

var dialect = sqlstore.Dialect{
	Fold:     "%s COLLATE NOCASE",
	Like:     "LIKE",
	Least:    "min(%s)",
	Greatest: "max(%s)",
	True:     "1",
	Each:     "json_each(%s)",
	JSON:     "(j.value ->> %s)",
	Sums: "(SELECT json_group_array(a.value + b.value ORDER BY a.key) FROM json_each(usage.%s) a" +
		" JOIN json_each(excluded.%s) b ON b.key = a.key)",
	Find:  "instr(%s)",
	Index: "INDEXED BY %s",
	Hide:  "%s || ''",
	// The write-ahead log still has the pages as they were. Readers can keep a part of it until it
	// is used again.
	Forget: "PRAGMA wal_checkpoint(TRUNCATE)",
}
