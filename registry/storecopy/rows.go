package storecopy

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// batch is how many rows a statement writes.
const batch = 50

// copy writes all rows of a table.
func (t *table) copy(ctx context.Context, source, target *Side, r *Report) error {
	n, replaced := int64(0), make([]int64, len(t.columns))
	whole := t.insert(batch)
	var values []any
	err := t.rows(ctx, source.Tx, func(row []any) error {
		n++
		err := t.convert(row, target.Storable, func(i int) { replaced[i]++ })
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		if values = append(values, row...); n%batch == 0 {
			_, err = target.Tx.ExecContext(ctx, whole, values...)
			values = values[:0]
		}
		return err
	})
	if err == nil && len(values) > 0 {
		_, err = target.Tx.ExecContext(ctx, t.insert(len(values)/len(t.columns)), values...)
	}
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, Count{t.name, n})
	for i, n := range replaced {
		if n > 0 {
			r.Replaced = append(r.Replaced, Count{t.name + "." + strings.Trim(t.columns[i], `"`), n})
		}
	}
	return nil
}

// insert is the statement for a number of rows.
func (t *table) insert(rows int) string {
	var s strings.Builder
	s.WriteString("INSERT INTO " + t.quoted + " (" + strings.Join(t.columns, ", ") + ") VALUES ")
	for i := range rows * len(t.columns) {
		switch {
		case i == 0:
			s.WriteString("(")
		case i%len(t.columns) == 0:
			s.WriteString("), (")
		default:
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "$%d", i+1)
	}
	s.WriteString(")")
	return s.String()
}

// cursor reads the rows of a table in the order of its key.
type cursor struct {
	*sql.Rows
	row  []any
	dest []any
}

func (t *table) open(ctx context.Context, tx *sql.Tx) (*cursor, error) {
	rows, err := tx.QueryContext(ctx, t.ordered)
	if err != nil {
		return nil, err
	}
	c := &cursor{rows, make([]any, len(t.columns)), make([]any, len(t.columns))}
	for i := range c.row {
		c.dest[i] = &c.row[i]
	}
	return c, nil
}

// next reads a row into c.row. It reports false after the last one.
func (c *cursor) next() (bool, error) {
	if !c.Next() {
		return false, c.Err()
	}
	return true, c.Scan(c.dest...)
}

// rows calls f for each row, which is f's until it returns.
func (t *table) rows(ctx context.Context, tx *sql.Tx, f func(row []any) error) error {
	c, err := t.open(ctx, tx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for {
		more, err := c.next()
		if err != nil || !more {
			return err
		}
		if err := f(c.row); err != nil {
			return err
		}
	}
}
