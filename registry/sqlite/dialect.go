package sqlite

import "github.com/pizzaface/pizzeria/registry/sqlstore"

var dialect = sqlstore.Dialect{
	Fold:     "%s COLLATE NOCASE",
	Like:     "LIKE",
	Least:    "min(%s)",
	Greatest: "max(%s)",
	True:     "1",
	Each:     "json_each(%s)",
	Find:     "instr(%s)",
	Index:    "INDEXED BY %s",
	// The write-ahead log still has the pages as they were. Readers can keep a part of it until it
	// is used again.
	Forget: "PRAGMA wal_checkpoint(TRUNCATE)",
}
