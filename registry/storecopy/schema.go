package storecopy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is what a column's values are.
type Kind int

// The kinds.
const (
	Integer Kind = iota + 1 // of 64 bits
	Boolean
	Text
	Bytes
)

// column is one of a table, as one database describes it.
type column struct {
	name string
	kind Kind
	key  int // place in the primary key, from 1; 0: not in it
}

// schema is what a database says of its tables.
type schema struct {
	columns    map[string][]column // by table
	references map[string][]string
}

func (s *Side) schema(ctx context.Context) (schema, error) {
	all := schema{map[string][]column{}, map[string][]string{}}
	var table, other, typ string
	var c column
	err := each(ctx, s.Tx, s.Columns, func() error {
		kind, known := s.Kinds[typ]
		if !known {
			return fmt.Errorf("column %s.%s has type %s, which cannot be copied", table, c.name, typ)
		}
		c.kind = kind
		all.columns[table] = append(all.columns[table], c)
		return nil
	}, &table, &c.name, &typ, &c.key)
	if err != nil {
		return all, err
	}
	return all, each(ctx, s.Tx, s.References, func() error {
		all.references[table] = append(all.references[table], other)
		return nil
	}, &table, &other)
}

// each calls f for each row of a query, scanned into dest.
func each(ctx context.Context, tx *sql.Tx, query string, f func() error, dest ...any) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// table is one that both databases have.
type table struct {
	name, quoted string
	columns      []string
	keys         []bool // which columns are in the key
	from, to     []Kind
	ordered      string // all rows, in the order of the key
}

// paired returns the tables of both databases, those that others refer to first. It refuses
// databases that differ in any.
func paired(ctx context.Context, source, target *Side) ([]*table, error) {
	from, err := source.schema(ctx)
	if err != nil {
		return nil, err
	}
	to, err := target.schema(ctx)
	if err != nil {
		return nil, err
	}
	if len(from.columns) == 0 {
		return nil, errors.New("the source has no tables")
	}
	for name := range to.columns {
		if _, both := from.columns[name]; !both {
			return nil, fmt.Errorf("table %s is in the target only", name)
		}
	}
	names, err := inOrder(slices.Sorted(maps.Keys(from.columns)), to.references)
	if err != nil {
		return nil, err
	}
	var all []*table
	for _, name := range names {
		t, err := pair(name, from.columns[name], to.columns[name])
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func pair(name string, from, to []column) (*table, error) {
	if to == nil {
		return nil, fmt.Errorf("table %s is in the source only", name)
	}
	t := &table{name: name, quoted: quote(name)}
	var key []column
	for _, c := range from {
		at := slices.IndexFunc(to, func(o column) bool { return o.name == c.name })
		if at < 0 || to[at].key != c.key || len(from) != len(to) {
			return nil, fmt.Errorf("table %s has other columns or another key in the target", name)
		}
		if !convertible(c.kind, to[at].kind) {
			return nil, fmt.Errorf("column %s.%s has another type in the target", name, c.name)
		}
		t.columns = append(t.columns, quote(c.name))
		t.keys = append(t.keys, c.key > 0)
		t.from, t.to = append(t.from, c.kind), append(t.to, to[at].kind)
		if c.key > 0 {
			key = append(key, c)
		}
	}
	if key == nil {
		return nil, fmt.Errorf("table %s has no key", name)
	}
	slices.SortFunc(key, func(a, b column) int { return a.key - b.key })
	var order []string
	for _, c := range key {
		order = append(order, quote(c.name))
	}
	t.ordered = "SELECT " + strings.Join(t.columns, ", ") + " FROM " + t.quoted +
		" ORDER BY " + strings.Join(order, ", ")
	return t, nil
}

// inOrder returns names so that each comes after those that it refers to.
func inOrder(names []string, references map[string][]string) (sorted []string, err error) {
	for len(sorted) < len(names) {
		before := len(sorted)
		for _, name := range names {
			waits := slices.ContainsFunc(references[name], func(other string) bool {
				return other != name && !slices.Contains(sorted, other)
			})
			if !waits && !slices.Contains(sorted, name) {
				sorted = append(sorted, name)
			}
		}
		if len(sorted) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

func quote(name string) string { return `"` + name + `"` }
