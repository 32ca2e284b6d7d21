package storecopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// verify reads a table of both databases, and compares every value.
func (t *table) verify(ctx context.Context, source, target *Side) (err error) {
	from, err := t.open(ctx, source.Tx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := t.open(ctx, target.Tx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for n := 1; ; n++ {
		more, err := from.next()
		if err != nil {
			return err
		}
		copied, err := to.next()
		if err != nil {
			return err
		}
		if more != copied {
			return fmt.Errorf("the copy has not as many rows: they end at row %d", n)
		}
		if !more {
			return nil
		}
		if err := t.convert(from.row, target.Storable, func(int) {}); err != nil {
			return err
		}
		if err := t.same(from.row, to.row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}

func (t *table) same(want, got []any) error {
	for i := range want {
		v, err := known(got[i], t.to[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", t.columns[i], err)
		}
		if !equal(want[i], v) {
			return fmt.Errorf("column %s differs in the copy", t.columns[i])
		}
	}
	return nil
}

func equal(a, b any) bool {
	x, isBytes := a.([]byte)
	y, areBytes := b.([]byte)
	if isBytes || areBytes {
		return isBytes == areBytes && bytes.Equal(x, y)
	}
	return a == b
}
