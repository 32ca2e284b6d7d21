package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Dialect is all that differs between databases. Statements are written once, with $1, RETURNING
// and ON CONFLICT. What a database spells its own way is a word in braces, which the dialect
// replaces; "%s" in a replacement is the word's argument: {fold o.name} becomes
// "o.name COLLATE NOCASE" by Fold "%s COLLATE NOCASE".
//
// Two rules hold without a word. Text compares by bytes, since lists are paged by key (PostgreSQL:
// columns with COLLATE "C"). Times are Unix microseconds in integers of 64 bits.
type Dialect struct {
	// Fold sorts and compares a text without regard to the case of ASCII letters: {fold column}.
	// The other side of a comparison is folded by the caller (folded).
	Fold string
	// Like matches a pattern without regard to the case of ASCII letters: a {like} b.
	Like string
	// Least and Greatest choose one of two values: {least a, b}.
	Least, Greatest string
	// True is the value of a column that says yes or no: {true}.
	True string
	// Each makes a JSON array of texts a table with the column value: FROM {each $1} j.
	Each string
	// JSON is a member of the object in j.value, as text: {json 'name'}, of FROM {each $1} j.
	JSON string
	// Sums adds up two JSON arrays of numbers, place by place: {sums column}, in ON CONFLICT DO
	// UPDATE of usage, of the row that is there and the one that is excluded.
	Sums string
	// Find returns where a text contains another, from 1; 0 when it does not: {find text, part}.
	Find string
	// Lock keeps the rows of a table that a SELECT returns for its transaction, and leaves out those
	// that another has: {lock w}, at its end. "": a write transaction has them all.
	Lock string
	// Index makes the planner use an index, where it can be told: FROM orgs o {index orgs_status}.
	Index string
	// Hide keeps the planner from the index of a column, if it would sort a page for it that another
	// index has in order: {hide column}.
	Hide string

	// LockFeed is the first statement of every transaction that records (see Store.recording),
	// such as SELECT seq FROM feed_head FOR UPDATE; "": to begin a write transaction locks already.
	LockFeed string
	// Claimed is a condition on feed_head f that no row meets once another control plane has taken
	// over: {claimed}, after WHERE. It goes with LockFeed.
	Claimed string
	// Later marks a statement that may run with the next one of its transaction, or with the commit.
	// nil: each runs at once.
	Later func(context.Context) context.Context
	// Forget runs after a commit that erased something for good, to remove what the database's own
	// log still has of it; "": nothing does.
	Forget string
	// Again reports whether a write transaction that failed had no effect and is to be run again, as
	// after a deadlock; nil: none is.
	Again func(error) bool
}

// replacement returns what stands for a word.
func (d *Dialect) replacement(word string) (string, bool) {
	switch word {
	case "fold":
		return d.Fold, true
	case "like":
		return d.Like, true
	case "least":
		return d.Least, true
	case "greatest":
		return d.Greatest, true
	case "true":
		return d.True, true
	case "each":
		return d.Each, true
	case "json":
		return d.JSON, true
	case "sums":
		return d.Sums, true
	case "find":
		return d.Find, true
	case "lock":
		return d.Lock, true
	case "index":
		return d.Index, true
	case "hide":
		return d.Hide, true
	case "claimed":
		return d.Claimed, true
	}
	return "", false
}

// Translate returns a statement as the database spells it. Other braces, as of JSON, stay.
func (d *Dialect) Translate(statement string) string {
	if !strings.Contains(statement, "{") {
		return statement
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(statement, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		word, after, closed := strings.Cut(rest, "}")
		name, arg, _ := strings.Cut(word, " ")
		as, known := d.replacement(name)
		if !closed || !known {
			out.WriteByte('{')
			statement = rest
			continue
		}
		out.WriteString(strings.ReplaceAll(as, "%s", arg))
		statement = after
	}
}

// folded is the other side of a comparison with {fold}.
func folded(s string) string { return ascii.Lower(s) }

// executor is a *sql.DB or a *sql.Tx.
type executor interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// translator runs statements in the dialect of its database.
type translator struct {
	on      executor
	dialect *Dialect
}

// QueryContext implements querier.
func (s translator) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.on.QueryContext(ctx, s.dialect.Translate(query), args...)
}

// QueryRowContext implements querier.
func (s translator) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.on.QueryRowContext(ctx, s.dialect.Translate(query), args...)
}

func (s translator) execContext(
	ctx context.Context, query string, args ...any,
) (sql.Result, error) {
	return s.on.ExecContext(ctx, s.dialect.Translate(query), args...)
}
