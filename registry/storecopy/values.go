package storecopy

import (
	"errors"
	"fmt"
)

// convertible reports whether values of one kind can be kept as another.
func convertible(from, to Kind) bool {
	return from == to || from == Integer && to == Boolean || from == Boolean && to == Integer
}

// known returns a value of a kind as it is compared, and refuses a value of another kind. nil is
// NULL.
func known(v any, kind Kind) (any, error) {
	ok := v == nil
	switch x := v.(type) {
	case int64:
		ok = kind == Integer
	case bool:
		ok = kind == Boolean
	case string:
		ok = kind == Text
	case []byte:
		ok = kind == Bytes
		if x == nil {
			v = []byte{} // drivers give an empty value as nil, and store nil as NULL
		}
	}
	if !ok {
		return nil, fmt.Errorf("a value is a %T", v)
	}
	return v, nil
}

// converted returns a value as the other database keeps it.
func converted(v any, from, to Kind) (any, error) {
	v, err := known(v, from)
	if err != nil || v == nil || from == to {
		return v, err
	}
	switch v {
	case false:
		return int64(0), nil
	case true:
		return int64(1), nil
	case int64(0):
		return false, nil
	case int64(1):
		return true, nil
	}
	return nil, fmt.Errorf("%d says neither yes nor no", v)
}

var errText = errors.New(
	"the target cannot store NUL or invalid UTF-8, and this text must not change")

// mayReplace reports whether a text of a column may be stored with replaced bytes: others refer to
// those of keys, and the audit log authenticates its own.
func (t *table) mayReplace(column int) bool { return !t.keys[column] && t.name != "audit" }

// convert makes a row of the source one of the target. replaced is called for each column whose
// text the target stores otherwise.
func (t *table) convert(row []any, storable func(string) string, replaced func(column int)) error {
	for i, v := range row {
		v, err := converted(v, t.from[i], t.to[i])
		if s, is := v.(string); is && storable != nil && storable(s) != s {
			v = storable(s)
			replaced(i)
			if !t.mayReplace(i) {
				err = errText
			}
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", t.columns[i], err)
		}
		row[i] = v
	}
	return nil
}
