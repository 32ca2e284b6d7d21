package postgres

import (
	"database/sql/driver"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// rows are those of a statement that was sent behind others.
type rows struct {
	results pgx.BatchResults
	rows    pgx.Rows
	more    bool // the row that is read is yet to be returned
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string {
	var names []string
	for _, f := range r.rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	return names
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	r.rows.Close()
	return r.results.Close()
}

// Next implements driver.Rows.
func (r *rows) Next(to []driver.Value) error {
	if !r.more && !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	r.more = false
	all, err := r.rows.Values()
	if err != nil {
		return err
	}
	for i, v := range all {
		if to[i], err = value(v); err != nil {
			return fmt.Errorf("column %s: %w", r.rows.FieldDescriptions()[i].Name, err)
		}
	}
	return nil
}

// value is what database/sql takes for what pgx read.
func value(v any) (driver.Value, error) {
	switch v := v.(type) {
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case driver.Valuer: // such as a number without bounds
		return v.Value()
	}
	if !driver.IsValue(v) {
		return nil, fmt.Errorf("a %T is not supported", v)
	}
	return v, nil
}
